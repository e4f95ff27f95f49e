// Shells that start processes: scripts under busybox sh and a static bash.
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/differential/compare.hpp"

namespace faultline::test {
namespace {

class ShellTest : public testing::TestWithParam<Row> {
 protected:
  void SetUp() override {
    if (::access(GetParam().argv.front().c_str(), X_OK) != 0)
      GTEST_SKIP() << GetParam().argv.front() << " is not installed (tools/deps)";
  }
};

TEST_P(ShellTest, SameNativelyAndInTheGuest) {
  if (const auto why = why_no_kvm(); !why.empty()) GTEST_SKIP() << why;
  expect_same(GetParam());
}

TEST_P(ShellTest, SameNativelyAndHosted) {
  if (const auto why = why_no_hosted(); !why.empty()) GTEST_SKIP() << why;
  expect_same(GetParam(), {"--backend", "hosted"});
}

Row script(const std::string& name, const std::string& text, const std::string& stdin_bytes = {}) {
  return {.name = name,
          .argv = {"/bin/busybox", "sh", "script", "first", "second word"},
          .stdin_bytes = stdin_bytes,
          .files = {{"script", text}}};
}

std::vector<Row> constructs() {
  return {
      script("pipelines", R"sh(
for i in 3 1 2; do echo $i; done | sort | tr '\n' ' '; echo
seq 1 2000 | grep 7 | sed 's/7/seven/' | tail -n 3
yes | head -n 3
echo a b c | while read x y z; do echo "$z $y $x"; done
! true; echo $?
false | true; echo $?
true | false; echo $?
echo in | { cat; echo group; } | (cat; echo subshell)
)sh"),
      script("subshells", R"sh(
x=1; (x=2; cd /; echo $x; pwd); echo $x; pwd | grep -c '^/$'
(exit 7); echo $?
( (echo nested; exit 3); echo $? )
(trap 'echo leaving' EXIT; echo inside)
)sh"),
      script("command_substitution", R"sh(
echo "$(echo one; echo two)" `echo three`
x=$(printf 'a\nb\n\n\n'); echo "[$x]"
echo $(echo $(echo $(echo deep)))
y=$(exit 4); echo $?
n=$(seq 1 500 | wc -l); echo $((n * 2))
)sh"),
      script("here_documents", R"sh(
x=value
cat <<END
$x $(echo substituted) $((1 + 1)) \$x
END
cat <<'END' | tr a-z A-Z
$x quoted
END
cat <<-END
	indented
	END
cat <<ONE; cat <<TWO
first
ONE
second
TWO
)sh"),
      script("redirections", R"sh(
echo out > f; echo more >> f; cat < f
{ echo to out; echo to err >&2; } > both 2>&1; cat both
exec 3> three; echo three >&3; exec 3>&-; cat three
exec 4< f; read a <&4; read b <&4; echo "$b $a"; exec 4<&-
ls missing 2> /dev/null; echo $?
cat < missing; echo $?
echo x 2>&1 1> /dev/null | cat
: > empty; test -s empty; echo $?
echo again >| f; cat f; set -C; echo no > f; echo $?
echo closed 1>&-; echo $?
)sh"),
      script("background_jobs", R"sh(
sleep 0.05 & wait $!; echo waited $?
(exit 9) & wait $!; echo $?
for n in 1 2 3; do (sleep 0.0$n; echo $n > done$n) & done; wait; cat done1 done2 done3
sleep 10 & p=$!; kill $p; wait $p; echo $?
(sleep 0.05; exit 2) & a=$!; (exit 1) & b=$!; wait $b; echo $?; wait $a; echo $?
wait 999999; echo $?
true & true; jobs > /dev/null; wait
)sh"),
      script("traps_and_signals", R"sh(
trap 'echo usr1' USR1; kill -USR1 $$; echo after
trap '' TERM; kill -TERM $$; echo still here
trap - TERM
(trap 'echo term; exit 3' TERM; kill -TERM $(sh -c 'echo $PPID'); echo not reached); echo $?
sh -c 'kill -KILL $$'; echo $?
sh -c 'kill -SEGV $$'; echo $?
(sleep 0.05; kill -USR1 $$) & wait; echo interrupted; wait
trap 'echo exit $?' EXIT
sh -c 'exit 5'; kill -0 $$; echo $?
kill -0 999999; echo $?
kill -l 9
exit 6
)sh"),
      script("stop_and_continue", R"sh(
(kill -STOP $(sh -c 'echo $PPID'); echo resumed) & p=$!
sleep 0.1; kill -CONT $p; wait $p; echo $?
)sh"),
      script("execute", R"sh(
(exec echo replaced; echo not reached)
exec 3>&1; (exec >&3; echo through three)
nosuchcommand; echo $?
./script2; echo $?
printf '#!/bin/busybox sh\necho from a script $1 $#\nexit 4\n' > script2; ./script2; echo $?
chmod +x script2; ./script2 one two; echo $?
PATH=.:$PATH; script2; command -v script2
echo 'echo sourced $x' > lib; x=1; . ./lib
env -i A=b sh -c 'echo $A $HOME'
exec sh -c 'echo last; exit 8'
)sh"),
      script("expansions", R"sh(
echo $# "$1" "$2"; shift; echo $# $1
set -- x "y z"; for a in "$@"; do echo "<$a>"; done; for a in $*; do echo "<$a>"; done
p=/usr/lib/name.tar.gz; echo ${p##*/} ${p%%.*} ${p#/} ${p%.gz} ${#p} ${p/lib/LIB}
echo ${none:-default} ${none:=set} $none ${none:+other} ; (echo ${never:?is not set}) ; echo $?
echo {a,b} ~root *nothing* "a  b" a\ \ b 'c  d'
IFS=:; x=a:b:c; for part in $x; do echo $part; done; unset IFS
echo $((0x1f + 010)) $((5 > 3 && 2 < 1)) $((7 % 3)) $((1 << 10)) $((-7 / 2)) $(( (1+2)*3 )) $((x=5, x*2))
i=0; echo $((i++)) $((++i)) $i $((i == 2 ? 10 : 20))
)sh"),
      script("conditions_and_loops", R"sh(
if test 1 -lt 2 && [ a = a ] && [ ! -e nothing ]; then echo yes; elif true; then echo no; fi
[ -d / ] && [ -x /bin/sh ] && [ -n x ] && [ -z "" ] && echo files
case abc in a?c) echo match;; *) echo none;; esac
case x in y|x) echo or;; esac
i=0; while :; do i=$((i+1)); [ $i -eq 3 ] && continue; [ $i -gt 5 ] && break; echo $i; done
i=3; until [ $i -eq 0 ]; do i=$((i-1)); done; echo $i
for i in 1 2; do for j in a b; do [ $i$j = 1b ] && continue 2; echo $i$j; done; done
[[ abc == a* ]] && echo pattern
true && false || echo chained
)sh"),
      script("functions", R"sh(
f() { local x=inner; echo "$x $1 $#"; return 5; }
x=outer; f a b; echo $? $x
fact() { [ $1 -le 1 ] && echo 1 || echo $(($1 * $(fact $(($1 - 1))))); }
fact 6
g() { echo piped; cat; }; echo in | g | sort
h() ( cd /; pwd ); h
unset -f f; f 2> /dev/null; echo $?
)sh"),
      script("builtins", R"sh(
eval 'a=1; echo $a'; eval echo '$(echo twice)'
type cd | head -n 1; command echo plain; builtin_missing 2> /dev/null || echo 127
printf '%s %d %x %5s|%-5s|%c %%\n' a 42 255 r l xyz; printf '%b\n' 'a\tb'
umask 027; umask; umask -S; umask u=rwx,g=,o=; umask
ulimit -n > /dev/null && echo limits; ulimit -c 0; ulimit -c
cd /; pwd; cd - > /dev/null; cd nowhere; echo $?
readonly r=1; (r=2); echo $?
export e=exported; sh -c 'echo $e'; unset e; sh -c 'echo ${e-unset}'
alias ll='echo aliased'; set | grep -c '^r='
getopts ab: o -a -b value; echo $o; getopts ab: o -a -b value; echo $o $OPTARG
true; test 1 -eq 1; [ 1 -eq 2 ]; echo $?
times > /dev/null; hash -r; :
let 'q = 3 * 4'; echo $q
)sh"),
      script("options", R"sh(
(set -e; false; echo not reached); echo $?
(set -e; if false; then :; fi; false || true; echo reached); echo $?
(set -u; echo $undefined_variable); echo $?
(set -x; echo traced) 2>&1
(set -f; echo *)
(set -n; echo nothing)
(set -o pipefail; false | true); echo $?
set -- $(set -o | head -n 1); echo $#
)sh"),
      script("reading", R"sh(
read line; echo "<$line>"
read a b; echo "<$a> <$b>"
read -r raw; echo "<$raw>"
while IFS=, read x y; do echo "$y-$x"; done
read at_end; echo $?
)sh",
             "first line\none two three\nback\\slash\n1,2\n3,4\n"),
      script("named_pipes", R"sh(
mkfifo pipe; echo through > pipe & cat pipe; wait
(cat pipe | tr a-z A-Z) & seq 1 3 > pipe; wait
rm pipe
)sh"),
      script("many_processes", R"sh(
i=0; while [ $i -lt 30 ]; do (exit $i); [ $? -eq $i ] || echo wrong $i; i=$((i+1)); done
seq 1 20 | while read n; do echo $(($(echo $n) * 2)); done | tail -n 1
echo a | cat | cat | cat | cat | cat | cat | cat | cat
ls / | sort -r | head -n 1 > /dev/null; echo $?
)sh"),
      script("applets", R"sh(
seq 1 50 > n; awk '{s += $1} END {print s}' n; sort -n -r n | head -n 2; sed -n '5,6p' n
grep -c 1 n; wc -l < n; cut -c1 n | uniq -c | head -n 3; tr -d '\n' < n | md5sum
find . -name n | xargs ls; printf 'a\0b\0' | xargs -0 -n 1 echo got
tar cf t.tar n && tar tf t.tar; rm t.tar; gzip -c n | gunzip -c | cmp - n && echo same
cp n m; mv m k; ln -s k l; readlink l; rm k l; dd if=n bs=10 count=1 2> /dev/null; echo
tee copy < n | tail -n 1; diff n copy && echo equal; expr 6 \* 7; basename /a/b.c .c; dirname /a/b
time -f '' true 2> /dev/null; timeout 0.1 sleep 10; echo $?; env | grep -c PATH; echo done
)sh"),
  };
}

Row bash(const std::string& name, const std::string& text) {
  // What the script calls is busybox's, and static.
  const std::string head =
      "for c in cat sort seq tr head sleep wc diff paste rev grep; do eval \"$c() { /bin/busybox $c "
      "\\\"\\$@\\\"; }\"; done\nulimit -c 0\n";
  return {.name = "bash_" + name, .argv = {"/bin/bash-static", "script", "one"}, .files = {{"script", head + text}}};
}

std::vector<Row> bash_scripts() {
  return {
      bash("pipes_and_jobs", R"sh(
seq 1 100 | sort -r | head -n 2 | tr '\n' ' '; echo
false | true | (exit 3); echo ${PIPESTATUS[@]}
for n in 3 2 1; do (sleep 0.0$n; echo $n > d$n) & done; wait; cat d1 d2 d3
(exit 5) & wait $!; echo $?
sleep 10 & kill -TERM $!; wait $!; echo $?
(exit 4) & wait -n; echo $?
coproc { while read l; do echo "co $l"; done; }
echo hello >&${COPROC[1]}; read answer <&${COPROC[0]}; echo "$answer"
exec {COPROC[1]}>&-; wait
)sh"),
      bash("process_substitution", R"sh(
cat <(echo one) <(echo two)
diff <(seq 3) <(seq 4)
paste <(seq 3) <(seq 3 | rev)
while read a; do echo "<$a>"; done < <(seq 2)
seq 3 > >(sort -r > out); wait $!; cat out
)sh"),
      bash("arrays_and_text", R"sh(
a=(x "y z" w); echo ${#a[@]} "${a[1]}" "${a[@]:1}"; a+=(v); unset 'a[0]'; echo "${!a[@]}"
declare -A m=([one]=1 [two]=2); for k in one two; do echo $k=${m[$k]}; done
s=faultline; echo ${s:0:5} ${s^^} ${s/l/L} ${s: -4}
[[ $s =~ ^f(.*)t ]] && echo ${BASH_REMATCH[1]}
printf -v v '%03d' 7; echo $v; echo {1..5} {a..c}x
mapfile -t lines < <(seq 3); echo ${lines[2]}
for ((i = 0; i < 3; ++i)); do printf '%d ' $i; done; echo
echo $((2**20)) $((16#ff)); let x=5+6; echo $x
case $s in f*|g*) echo yes;;& *line) echo also;; esac
read -r one two <<< "here string"; echo "$two $one"
)sh"),
      bash("traps", R"sh(
trap 'echo exit' EXIT
trap 'echo child' CHLD
(exit 1); /bin/busybox true; trap - CHLD
trap 'echo debugging' DEBUG; :; trap - DEBUG
trap 'echo error' ERR; false; trap - ERR
trap 'echo usr2' USR2; kill -USR2 $$
{ (kill -SEGV $BASHPID); } 2> /dev/null; echo $?
f() { trap 'echo returned' RETURN; }; f
exec /bin/busybox sh -c 'echo replaced'
)sh"),
  };
}

std::string row_name(const testing::TestParamInfo<Row>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Busybox, ShellTest, testing::ValuesIn(constructs()), row_name);
INSTANTIATE_TEST_SUITE_P(Bash, ShellTest, testing::ValuesIn(bash_scripts()), row_name);

}  // namespace
}  // namespace faultline::test
