# Makes the exports and opens them in the viewer, or says why it cannot.
include(${CMAKE_CURRENT_LIST_DIR}/../../../cmake/npm_packages.cmake)

find_program(CHROMIUM NAMES chromium chromium-browser google-chrome NO_CACHE)
if(NOT NPM OR NOT NODE)
  message("web: skipped: nodejs and npm are not installed")
  return()
elseif(NOT CHROMIUM)
  message("web: skipped: Chromium is not installed")
  return()
endif()

fetch_npm_packages(problem)
if(problem)
  message("web: skipped: ${problem}")
  return()
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
