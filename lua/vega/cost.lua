--- What a network costs: counted exactly, or measured on this CPU.
--   vega.cost.count(graph)                            -> parameters, multiply-adds by kind, activation and peak bytes; per image
--   vega.cost.count(graph, { input = { 96, 96, 3 } }) -> the same for images of another size
--   vega.cost.count(graph, { convention = "fvcore" }) -> the total that a published counter prints for it
--   vega.cost.conventions()                           -> { fvcore = "M + 2B + G", ... }: those counters, and how they add up
--   vega.cost.latency(graph, { batch = 1 })           -> median_ms, min_ms, mean_ms, p90_ms, iqr_ms, count; measured, random input
--   vega.cost.peak(precision)                         -> flops and copy_bytes a second that this machine reaches at most
return require("vega.core").cost
