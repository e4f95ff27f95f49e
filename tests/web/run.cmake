# Runs one step of the tests of the report page, or says why it cannot.
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

file(SHA256 ${SOURCE}/package-lock.json wanted)
set(installed "")
if(EXISTS ${BUILD}/node_modules/.lock)
  file(READ ${BUILD}/node_modules/.lock installed)
endif()
if(STEP STREQUAL "packages")
  if(NOT installed STREQUAL wanted)
    file(COPY ${SOURCE}/package.json ${SOURCE}/package-lock.json DESTINATION ${BUILD})
    execute_process(COMMAND ${NPM} ci --ignore-scripts --no-audit --no-fund --prefer-offline --fetch-retries=1
                            --fetch-retry-mintimeout=1000 --fetch-timeout=20000 --loglevel=error
                    WORKING_DIRECTORY ${BUILD} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(NOT status EQUAL 0)
      skip("npm ci ended with ${status}:\n${output}")
      return()
    endif()
    file(WRITE ${BUILD}/node_modules/.lock ${wanted})
  endif()
  return()
elseif(NOT installed STREQUAL wanted OR NOT EXISTS ${PAGE_BUILD}/node_modules/.lock)
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
