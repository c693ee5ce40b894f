--- What a network costs: counted exactly, or measured on this CPU.
--   vega.cost.count(graph)                 -> parameters, multiply-adds by kind and convention, activation and peak bytes; per image
--   vega.cost.latency(graph, { batch = 1 }) -> median_ms, min_ms, mean_ms, p90_ms, iqr_ms, count; measured, random input
--   vega.cost.peak(precision)              -> flops and copy_bytes a second that this machine reaches at most
return require("vega.core").cost
