# fuzz/: the table of its targets follows from the files of fuzz/target. The tests replay the corpus; with VEGA_FUZZ also libFuzzer's program.
file(GLOB FUZZ_C CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/fuzz/target/*.c)
file(GLOB FUZZ_LUA CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/fuzz/target/*.lua)
set(FUZZ_EXTERNS "")
set(FUZZ_ENTRIES "")
foreach(file ${FUZZ_C})
  get_filename_component(name ${file} NAME_WE)
  string(APPEND FUZZ_EXTERNS "void fuzz_${name}(const uint8_t *data, size_t size);\n")
  string(APPEND FUZZ_ENTRIES "  { \"${name}\", fuzz_${name} },\n")
endforeach()
foreach(file ${FUZZ_LUA})
  get_filename_component(name ${file} NAME_WE)
  string(APPEND FUZZ_ENTRIES "  { \"${name}\", NULL },\n")
endforeach()
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/fuzz_table.c
  CONTENT "#include \"fuzz.h\"\n${FUZZ_EXTERNS}const fuzz_target fuzz_targets[] = {\n${FUZZ_ENTRIES}  { NULL, NULL }\n};\n")

add_library(fuzz_parts OBJECT fuzz/fuzz.c fuzz/lua.c ${FUZZ_C} ${CMAKE_BINARY_DIR}/generated/fuzz_table.c)
target_include_directories(fuzz_parts PUBLIC fuzz)
target_link_libraries(fuzz_parts PUBLIC binding engine)

add_executable(fuzz_replay fuzz/replay.c)
target_link_libraries(fuzz_replay PRIVATE fuzz_parts binding engine)
add_test(NAME fuzz_replay COMMAND fuzz_replay WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(fuzz_replay PROPERTIES ENVIRONMENT "${TEST_ENVIRONMENT}" TIMEOUT 600)
if(VEGA_SANITIZE)
  set_property(TEST fuzz_replay APPEND PROPERTY ENVIRONMENT "${SANITIZED_PROGRAM}")
endif()

# libFuzzer looks through all counters after each input: only what parses has some.
if(VEGA_FUZZ)
  file(GLOB FUZZED CONFIGURE_DEPENDS src/base/file.c src/base/json_text.c src/data/*.c src/tensor/*.c src/train/checkpoint.c src/store/*.c src/bind/*.c
    src/graph/graph.c src/ops/*.c ${FUZZ_C})
  set_source_files_properties(${FUZZED} PROPERTIES COMPILE_OPTIONS -fsanitize=fuzzer-no-link)
  target_compile_definitions(fuzz_parts PRIVATE VEGA_FUZZ)
  add_executable(fuzz_one fuzz/libfuzzer.c)
  target_link_libraries(fuzz_one PRIVATE fuzz_parts binding engine -fsanitize=fuzzer)
endif()
