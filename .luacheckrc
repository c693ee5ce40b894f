std = "lua54"
self = false                 -- a method may ignore its object
max_line_length = 200
files["tests"].std = "lua54+busted"
files["tests/run_spec"].globals = { "arg" }
