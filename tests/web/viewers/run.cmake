# Makes the exports and opens them in the viewer, or says why it cannot.
find_program(CHROMIUM NAMES chromium chromium-browser google-chrome NO_CACHE)
if(NOT NPM OR NOT NODE)
  message("web: skipped: nodejs and npm are not installed")
  return()
elseif(NOT CHROMIUM)
  message("web: skipped: Chromium is not installed")
  return()
endif()

file(SHA256 ${SOURCE}/package-lock.json wanted)
set(installed "")
if(EXISTS ${BUILD}/node_modules/.lock)
  file(READ ${BUILD}/node_modules/.lock installed)
endif()
if(NOT installed STREQUAL wanted)
  file(COPY ${SOURCE}/package.json ${SOURCE}/package-lock.json DESTINATION ${BUILD})
  execute_process(COMMAND ${NPM} ci --ignore-scripts --no-audit --no-fund --prefer-offline --fetch-retries=1
                          --fetch-retry-mintimeout=1000 --fetch-timeout=20000 --loglevel=error
                  WORKING_DIRECTORY ${BUILD} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message("web: skipped: npm ci ended with ${status}:\n${output}")
    return()
  endif()
  file(WRITE ${BUILD}/node_modules/.lock ${wanted})
endif()

# A script finds its packages beside itself.
file(COPY ${SOURCE}/read_exports.mjs DESTINATION ${BUILD})
file(MAKE_DIRECTORY ${ARTIFACTS})
execute_process(COMMAND ${MAKE_EXPORTS} ${BUILD}/run.json ${BUILD}/faults.txt RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "make_exports ended with ${status}")
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -E env CHROMIUM=${CHROMIUM} ${NODE} ${BUILD}/read_exports.mjs
                        ${BUILD}/run.json ${BUILD}/faults.txt ${ARTIFACTS} RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "read_exports.mjs ended with ${status}")
endif()
