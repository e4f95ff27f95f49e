# Runs one step of the tests of the report page, or says why it cannot.
include(${CMAKE_CURRENT_LIST_DIR}/../../cmake/npm_packages.cmake)

function(skip reason)
  message("web: skipped: ${reason}")
endfunction()

find_program(CHROMIUM NAMES chromium chromium-browser google-chrome NO_CACHE)
if(NOT NPM OR NOT NODE)
  skip("nodejs and npm are not installed (tools/deps installs them)")
  return()
elseif(NOT CHROMIUM AND NOT STEP MATCHES "^(packages|types)$")
  skip("Chromium is not installed (tools/deps --browser installs it)")
  return()
endif()

if(STEP STREQUAL "packages")
  fetch_npm_packages(problem)
  if(problem)
    skip("${problem}")
  endif()
  return()
endif()
npm_packages_are_there(there)
if(NOT there OR NOT EXISTS ${PAGE_BUILD}/node_modules/.lock)
  skip("npm could not fetch its packages")
  return()
endif()

if(STEP STREQUAL "types")
  # The sources are not beside the packages; tsc looks for them there.
  file(WRITE ${BUILD}/tsconfig.json
       "{\"extends\": \"${WEB}/tsconfig.json\", \"include\": [\"${WEB}/src\"], "
       "\"compilerOptions\": {\"paths\": {\"uplot\": [\"${PAGE_BUILD}/node_modules/uplot\"]}}}")
  execute_process(COMMAND ${NODE} ${BUILD}/node_modules/typescript/bin/tsc -p ${BUILD}/tsconfig.json RESULT_VARIABLE status)
else()
  file(MAKE_DIRECTORY ${ARTIFACTS})
  execute_process(COMMAND ${CMAKE_COMMAND} -E env CHROMIUM=${CHROMIUM} PACKAGES=${BUILD}/node_modules MAKE_PAGE=${MAKE_PAGE}
                          FAULTLINE=${FAULTLINE} ARTIFACTS=${ARTIFACTS} ${NODE} ${SOURCE}/${STEP}_test.mjs
                  RESULT_VARIABLE status)
endif()
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${STEP} ended with ${status}")
endif()
