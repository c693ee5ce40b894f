return require("vega.supernet").sampler
