# Lua tests and the targets check and lint.

# One ctest per spec; busted runs inside vega-lua. The wildcard makes a new spec a new test.
if(TARGET vega-lua)
  file(GLOB SPECS CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/spec/*_spec.lua)
  foreach(file ${SPECS})
    get_filename_component(name ${file} NAME_WE)
    add_test(NAME ${name} COMMAND vega-lua ${CMAKE_SOURCE_DIR}/tests/run_spec ${file} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${name} PROPERTIES TIMEOUT 300 ENVIRONMENT "${TEST_ENVIRONMENT}")
    if(VEGA_SANITIZE)
      set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT "${SANITIZED_PROGRAM}")
      set_tests_properties(${name} PROPERTIES TIMEOUT 900)
    endif()
  endforeach()
  install(TARGETS vega-lua RUNTIME DESTINATION bin)
  install(DIRECTORY lua searchspaces DESTINATION share/vega-lua)
  install(FILES share/echarts/echarts.min.js share/echarts/LICENSE share/echarts/NOTICE DESTINATION share/vega-lua/share/echarts)
  install(FILES share/report/report.js DESTINATION share/vega-lua/share/report)
  install(DIRECTORY src/bind DESTINATION share/vega-lua/src FILES_MATCHING PATTERN "*.c")    # vega-lua help reads the comments over functions
  # For a stock Lua, with LUA_PATH naming share/vega-lua/lua/?.lua and share/vega-lua/lua/?/init.lua.
  install(TARGETS core LIBRARY DESTINATION lib/lua/5.4/vega)
  if(TARGET comm_mpi)
    install(TARGETS comm_mpi LIBRARY DESTINATION lib/lua/5.4/vega)
  endif()
  install(DIRECTORY examples/zoo DESTINATION share/vega-lua/examples)
endif()

find_program(LUACHECK luacheck)
if(LUACHECK)
  set(LUACHECK_COMMAND ${LUACHECK} --no-color --no-cache -q lua tests examples scripts searchspaces fuzz tests/run_spec)
  add_test(NAME luacheck COMMAND ${LUACHECK_COMMAND} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  add_custom_target(lint_lua COMMAND ${LUACHECK_COMMAND} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} VERBATIM)
endif()

# Left out: what GCC's own warnings follow better through loops (uninitialised values), and what the kernels do on purpose (one block for two types).
find_program(CPPCHECK cppcheck)
if(CPPCHECK)
  add_custom_target(lint_c
    COMMAND ${CPPCHECK} --quiet --std=c11 --enable=warning,performance,portability --error-exitcode=1 --inline-suppr
      --suppress=missingIncludeSystem --suppress=uninitvar --suppress=legacyUninitvar --suppress=invalidFunctionArg
      --suppress=invalidPointerCast --suppress=nullPointerArithmeticRedundantCheck --library=gnu -D_GNU_SOURCE -DVG_ISA=avx2 -I src src
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} VERBATIM)
endif()

add_custom_target(lint)
foreach(part lint_lua lint_c)
  if(TARGET ${part})
    add_dependencies(lint ${part})
  endif()
endforeach()
add_custom_target(check COMMAND ${CMAKE_CTEST_COMMAND} --output-on-failure WORKING_DIRECTORY ${CMAKE_BINARY_DIR} VERBATIM)
if(TARGET vega-lua)
  add_dependencies(check vega-lua)
endif()
