# Makes BUILD/report.html of SOURCE with NODE and NPM. Without them, or without what npm has to
# fetch, the file is left as it is, or empty if there is none, and old: the next build tries again.
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

# The packages of this lock file are there once its copy is beside them.
file(SHA256 ${SOURCE}/package-lock.json wanted)
set(installed "")
if(EXISTS ${BUILD}/node_modules/.lock)
  file(READ ${BUILD}/node_modules/.lock installed)
endif()
if(NOT installed STREQUAL wanted)
  file(COPY ${SOURCE}/package.json ${SOURCE}/package-lock.json DESTINATION ${BUILD})
  # esbuild's binary is a package of its own: no package needs to run a script.
  execute_process(COMMAND ${NPM} ci --omit=dev --ignore-scripts --no-audit --no-fund --prefer-offline --fetch-retries=1
                          --fetch-retry-mintimeout=1000 --fetch-timeout=20000 --loglevel=error
                  WORKING_DIRECTORY ${BUILD} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output TIMEOUT 120)
  if(NOT status EQUAL 0)
    without("npm ci ended with ${status}:\n${output}\n")
    return()
  endif()
  file(WRITE ${BUILD}/node_modules/.lock ${wanted})
endif()

execute_process(COMMAND ${NODE} ${SOURCE}/build.mjs ${BUILD}/report.html WORKING_DIRECTORY ${BUILD} RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "build.mjs ended with ${status}")
endif()
