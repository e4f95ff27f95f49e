# Makes BUILD/report.html of SOURCE with NODE and NPM. Without them, or without what npm has to
# fetch, the file is left as it is, or empty if there is none, and old: the next build tries again.
include(${CMAKE_CURRENT_LIST_DIR}/../cmake/npm_packages.cmake)

function(without reason)
  message(WARNING "no report page: ${reason}. faultline is built without `inspect --html`.")
  if(NOT EXISTS ${BUILD}/report.html)
    file(WRITE ${BUILD}/report.html "")
  endif()
  execute_process(COMMAND touch -d @1 ${BUILD}/report.html)
endfunction()

if(NOT NPM OR NOT NODE)
  without("nodejs and npm are not installed (tools/deps installs them)")
  return()
endif()

# esbuild's binary is a package of its own.
fetch_npm_packages(problem --omit=dev)
if(problem)
  without("${problem}\n")
  return()
endif()

execute_process(COMMAND ${NODE} ${SOURCE}/build.mjs ${BUILD}/report.html WORKING_DIRECTORY ${BUILD} RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "build.mjs ended with ${status}")
endif()
