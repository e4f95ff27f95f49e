#include "tests/differential/tables.hpp"

namespace faultline::test {
namespace {

std::string lines(int count) {
  std::string result;
  for (int i = 0; i < count; ++i) {
    result += std::to_string(i * 7919 % 1000) + " line " + std::to_string(i) + " of " + std::to_string(count) + "\n";
  }
  return result;
}

Row busybox(const std::string& name, const std::vector<std::string>& arguments,
            std::map<std::string, std::string> files = {}, std::string stdin_bytes = {}) {
  Row row{.name = name, .argv = {"/bin/busybox"}, .stdin_bytes = std::move(stdin_bytes), .files = std::move(files)};
  row.argv.insert(row.argv.end(), arguments.begin(), arguments.end());
  return row;
}

}  // namespace

std::vector<Row> digests() {
  std::vector<Row> rows;
  for (std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{4095}, std::size_t{4096}, std::size_t{4097},
                            std::size_t{1} << 20, std::size_t{64} << 20}) {
    Row row = busybox("sha256sum_" + std::to_string(bytes), {"sha256sum", "noise"});
    row.noise_bytes = bytes;
    row.timeout = std::chrono::seconds(120);
    rows.push_back(row);
  }
  rows.push_back(busybox("sha256sum_stdin", {"sha256sum"}, {}, noise(100'000)));
  rows.push_back(busybox("sha512sum", {"sha512sum", "data"}, {{"data", noise(300'000)}}));
  rows.push_back(busybox("md5sum", {"md5sum", "data", "other"}, {{"data", noise(300'000)}, {"other", "x"}}));
  rows.push_back(busybox("md5sum_check_fails", {"md5sum", "-c", "sums"},
                         {{"sums", "00000000000000000000000000000000  data\n"}, {"data", "x"}}));
  rows.push_back(busybox("crc32", {"crc32", "data"}, {{"data", noise(50'000)}}));
  return rows;
}

std::vector<Row> compression() {
  return {
      busybox("gzip", {"gzip", "-c", "data"}, {{"data", lines(20'000)}}),
      busybox("gzip_noise", {"gzip", "-9", "-c", "data"}, {{"data", noise(500'000)}}),
      busybox("gzip_in_place", {"gzip", "data"}, {{"data", lines(2'000)}}),
      busybox("gunzip_of_garbage", {"gunzip", "-c", "data"}, {{"data", noise(1'000)}}),
      busybox("bzip2", {"bzip2", "-c", "data"}, {{"data", lines(5'000)}}),
      busybox("tar", {"tar", "cf", "-", "a", "b"}, {{"a", lines(100)}, {"b", noise(10'000)}}),
      busybox("base64", {"base64", "data"}, {{"data", noise(10'000)}}),
  };
}

std::vector<Row> text_tools() {
  const std::map<std::string, std::string> text = {{"text", lines(5'000)}};
  const std::map<std::string, std::string> two = {{"a", lines(300)}, {"b", lines(301)}};
  return {
      busybox("sort", {"sort", "text"}, text),
      busybox("sort_numbers", {"sort", "-n", "-k", "3", "-r", "text"}, text),
      busybox("sort_stdin", {"sort", "-u"}, {}, lines(3'000)),
      busybox("awk_sums",
              {"awk", "{n[$1]+=$3} END {for (i=0;i<1000;i+=50) print i, n[i]; printf \"%.4f\\n\", NR/7}", "text"},
              text),
      busybox("awk_computes",
              {"awk", "BEGIN {for (i=1;i<=20000;i++) s+=1/i; printf \"%.6f %s\\n\", s, substr(\"faultline\",3,4)}"}),
      busybox("sed", {"sed", "-e", "s/line \\([0-9]*\\)/<\\1>/", "-e", "3,10d", "-n", "-e", "/5> of/p", "text"}, text),
      busybox("sed_in_place", {"sed", "-i", "s/line/LINE/", "text"}, text),
      busybox("grep", {"grep", "-n", "^99. ", "text"}, text),
      busybox("grep_nothing", {"grep", "-c", "nowhere", "text"}, text),
      busybox("grep_regex", {"grep", "-E", "-o", "(1|2)+ of", "text"}, text),
      busybox("wc", {"wc", "text"}, text),
      busybox("od", {"od", "-A", "x", "-t", "x1", "data"}, {{"data", noise(5'000)}}),
      busybox("hexdump", {"hexdump", "-C", "data"}, {{"data", noise(5'000)}}),
      busybox("xxd", {"xxd", "data"}, {{"data", noise(3'000)}}),
      busybox("cat", {"cat", "a", "-", "b"}, two, "from stdin\n"),
      busybox("cat_missing", {"cat", "a", "missing"}, two),
      busybox("head", {"head", "-n", "7", "text"}, text),
      busybox("head_bytes", {"head", "-c", "4097"}, {}, noise(10'000)),
      busybox("tail", {"tail", "-n", "7", "text"}, text),
      busybox("tac", {"tac", "text"}, text),
      busybox("rev", {"rev", "text"}, text),
      busybox("nl", {"nl", "text"}, text),
      busybox("tr", {"tr", "a-z0-9", "A-Z5"}, {}, lines(500)),
      busybox("cut", {"cut", "-d", " ", "-f", "1,3", "text"}, text),
      busybox("fold", {"fold", "-w", "13", "text"}, text),
      busybox("paste", {"paste", "a", "b"}, two),
      busybox("uniq", {"uniq", "-c", "repeated"}, {{"repeated", "a\na\nb\nb\nb\na\n"}}),
      busybox("diff", {"diff", "-u", "a", "b"}, two),
      busybox("cmp", {"cmp", "a", "b"}, two),
      busybox("strings", {"strings", "data"}, {{"data", noise(20'000)}}),
      busybox("ed", {"ed", "text"}, text, "1,3p\n$d\n2s/line/edited/\nw\nq\n"),
      busybox("more", {"more", "a"}, two),
  };
}

std::vector<Row> files_and_system() {
  const std::map<std::string, std::string> text = {{"text", lines(50)}};
  Row dd = busybox("dd", {"dd", "if=text", "of=copy", "bs=100", "skip=1", "count=3"}, text);
  dd.stderr_bytes = Stderr::kIgnored;  // says how long it took
  Row zeroes = busybox("dd_zeroes", {"dd", "if=/dev/zero", "of=zeroes", "bs=65536", "count=64"});
  zeroes.stderr_bytes = Stderr::kIgnored;
  return {
      dd,
      zeroes,
      busybox("echo", {"echo", "-n", "hello", "world"}),
      busybox("printf", {"printf", "%05d|%-8s|%x|%s\\n", "42", "left", "255", "%"}),
      busybox("true", {"true"}),
      busybox("false", {"false"}),
      busybox("env", {"env"}),
      busybox("pwd", {"pwd"}),
      busybox("id", {"id", "-u"}),
      busybox("uname", {"uname", "-s", "-m"}),
      busybox("date", {"date", "-u", "-d", "2001-09-09 01:46:40"}),
      busybox("cal", {"cal", "2", "2024"}),
      busybox("seq", {"seq", "1", "3", "1000"}),
      busybox("factor", {"factor", "600851475143", "18446744073709551557"}),
      busybox("expr", {"expr", "12", "*", "(", "3", "+", "4", ")"}),
      busybox("bc", {"bc", "-l"}, {}, "scale=30\n4*a(1)\n2^200\nfor(i=0;i<5;i++) i*i\n"),
      busybox("dc", {"dc", "-e", "40 k 2 v p 7 13 ^ p"}),
      busybox("ls", {"ls", "-l"}, {{"one", "1"}, {"two", "22"}, {"three", "333"}}),
      busybox("ls_root", {"ls", "-ld", "/", "/bin/", "/proc/../"}),
      busybox("stat_trailing_slash", {"stat", "-c", "%n %F", "/", "/bin", "/bin/", "/usr/"}),
      busybox("ls_missing", {"ls", "missing"}),
      busybox("stat", {"stat", "-c", "%n %s %a %h %F %Y", "text"}, text),
      busybox("cp", {"cp", "text", "copy"}, text),
      busybox("mv", {"mv", "text", "renamed"}, text),
      busybox("rm", {"rm", "text"}, text),
      busybox("rm_missing", {"rm", "missing"}, text),
      busybox("mkdir", {"mkdir", "-p", "a/b/c"}),
      busybox("ln", {"ln", "-s", "text", "link"}, text),
      busybox("chmod", {"chmod", "600", "text"}, text),
      busybox("touch", {"touch", "new"}),
      busybox("truncate", {"truncate", "-s", "10000", "text"}, text),
      busybox("test_file", {"test", "-f", "text"}, text),
      busybox("test_fails", {"test", "3", "-gt", "4"}),
      busybox("no_such_applet", {"nosuchapplet"}),
      busybox("usleep", {"usleep", "2000"}),
  };
}

std::vector<Row> shell() {
  const auto script = [](const std::string& name, const std::string& text) {
    return busybox(name, {"sh", "-c", text});
  };
  return {
      script("arithmetic", "echo $((6*7)) $((1<<40)) $((-7/2)) $((0x10+010))"),
      script("loops",
             "i=0; while [ $i -lt 500 ]; do i=$((i+1)); done; for w in a b c; do printf '%s.' $w; done; echo $i"),
      script("functions",
             "f() { local x=$1; [ $x -le 1 ] && { r=1; return; }; f $((x-1)); r=$((r*x)); }; f 12; echo $r"),
      script("strings", "v=path/to/file.tar.gz; echo ${v##*/} ${v%.*} ${#v} ${none:-default}"),
      script("case_of",
             "for x in 1 22 abc; do case $x in [0-9]) echo digit;; [0-9]*) echo number;; *) echo word;; esac; done"),
      script("redirection", "echo one > out; echo two >> out; while read l; do echo \"got $l\"; done < out"),
      script("here_document", "while read a b; do echo $b $a; done <<END\n1 2\n3 4\nEND"),
      script("status", "false; echo $?; exit 17"),
      script("trap_exit", "trap 'echo leaving' EXIT; echo working"),
      script("kills_itself", "kill -TERM $$; echo not reached"),
      script("trap_signal", "trap 'echo caught' USR1; kill -USR1 $$; echo after"),
      script("syntax_error", "if true; then"),
      script("not_found", "nosuchcommand"),
      script("unset_variable", "set -u; echo $nothing"),
      script("read_only", "readonly x=1; x=2"),
      script("glob", "echo one > a.txt; echo two > b.txt; echo *.txt"),
  };
}

}  // namespace faultline::test
