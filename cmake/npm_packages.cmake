# For scripts: the packages of SOURCE/package-lock.json in BUILD/node_modules. Needs NPM, SOURCE, BUILD.

# Sets `result` to whether they are there: a note of the lock file's checksum stands beside them.
function(npm_packages_are_there result)
  file(SHA256 ${SOURCE}/package-lock.json wanted)
  set(installed "")
  if(EXISTS ${BUILD}/node_modules/.lock)
    file(READ ${BUILD}/node_modules/.lock installed)
  endif()
  if(installed STREQUAL wanted)
    set(${result} TRUE PARENT_SCOPE)
  else()
    set(${result} FALSE PARENT_SCOPE)
  endif()
endfunction()

# Fetches them where they are not. Sets `problem` to what went wrong, or to nothing. What follows it
# goes to npm ci; no package runs a script of its own.
function(fetch_npm_packages problem)
  set(${problem} "" PARENT_SCOPE)
  npm_packages_are_there(there)
  if(there)
    return()
  endif()
  file(COPY ${SOURCE}/package.json ${SOURCE}/package-lock.json DESTINATION ${BUILD})
  execute_process(COMMAND ${NPM} ci ${ARGN} --ignore-scripts --no-audit --no-fund --prefer-offline --fetch-retries=1
                          --fetch-retry-mintimeout=1000 --fetch-timeout=20000 --loglevel=error
                  WORKING_DIRECTORY ${BUILD} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output TIMEOUT 120)
  if(NOT status EQUAL 0)
    set(${problem} "npm ci ended with ${status}:\n${output}" PARENT_SCOPE)
    return()
  endif()
  file(SHA256 ${SOURCE}/package-lock.json wanted)
  file(WRITE ${BUILD}/node_modules/.lock ${wanted})
endfunction()
