# Sourced by the lab's scripts: where things are, and how errors are told.
# shellcheck shell=bash
set -euo pipefail

lab=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_tree=$(cd "$lab/../.." && pwd)
# What is fetched and kept, what is built, what a run leaves. Each may be overridden.
cache=${FAULTLINE_LAB_CACHE:-$source_tree/build/lab-cache}
build=${FAULTLINE_LAB_BUILD:-$source_tree/build/release}
results=${FAULTLINE_LAB_RESULTS:-$source_tree/build/lab-results}
export lab source_tree cache build results

all_backends=(native svm-npt svm-shadow vmx-ept vmx-shadow)
export all_backends

say() { printf 'lab: %s\n' "$*" >&2; }
die() { say "$*"; exit 125; }
