std = "lua54"
max_line_length = 160
files["tests"].std = "lua54+busted"
files["tests/run_spec"].globals = { "arg" }
