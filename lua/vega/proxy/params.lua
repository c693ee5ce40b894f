--- The number of trained values: the baseline that every other proxy is held against.
return { name = "params", params = {}, score = function(graph) return graph:n_params() end }
