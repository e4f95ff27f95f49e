// SQLite doing real work on a file: "database FILE [wal]". A second process reads and writes the
// same database through its own connection.
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static sqlite3* db;

static int print_row(void* unused, int columns, char** values, char** names) {
  (void)unused, (void)names;
  for (int i = 0; i < columns; ++i) printf("%s%s", i ? "|" : "", values[i] ? values[i] : "NULL");
  puts("");
  return 0;
}

static void run(const char* sql) {
  char* error = NULL;
  if (sqlite3_exec(db, sql, print_row, NULL, &error) != SQLITE_OK) {
    printf("error: %s\n", error);
    sqlite3_free(error);
  }
}

static void open_database(const char* file) {
  if (sqlite3_open(file, &db) != SQLITE_OK) {
    printf("cannot open: %s\n", sqlite3_errmsg(db));
    exit(1);
  }
  sqlite3_busy_timeout(db, 20000);
}

static void insert_many(int count) {
  sqlite3_stmt* insert;
  run("BEGIN");
  sqlite3_prepare_v2(db, "INSERT INTO item(name, kind, price) VALUES(?, ?, ?)", -1, &insert, NULL);
  for (int i = 0; i < count; ++i) {
    char name[32];
    snprintf(name, sizeof name, "item %d", i * 7919 % count);
    sqlite3_bind_text(insert, 1, name, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int(insert, 2, i % 10);
    sqlite3_bind_double(insert, 3, i / 8.0);
    if (sqlite3_step(insert) != SQLITE_DONE) printf("insert: %s\n", sqlite3_errmsg(db));
    sqlite3_reset(insert);
  }
  sqlite3_finalize(insert);
  run("COMMIT");
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  open_database(argv[1]);
  if (argc > 2) run("PRAGMA journal_mode = wal");
  run("CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, kind INTEGER, price REAL)");
  run("CREATE TABLE kind(id INTEGER PRIMARY KEY, label TEXT UNIQUE)");
  run("INSERT INTO kind WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9) "
      "SELECT i, 'kind ' || i FROM n");
  insert_many(10000);
  run("CREATE INDEX item_name ON item(name)");
  run("SELECT count(*), sum(price), min(name), max(name) FROM item");
  run("SELECT label, count(*), round(avg(price), 3) FROM item JOIN kind ON item.kind = kind.id GROUP BY label "
      "HAVING kind.id % 3 = 0 ORDER BY label DESC");
  run("SELECT id, name FROM item WHERE name = 'item 4711'");
  run("BEGIN; DELETE FROM item WHERE kind < 5; SELECT count(*) FROM item; ROLLBACK; SELECT count(*) FROM item");
  run("UPDATE item SET price = price * 2 WHERE id % 100 = 0; SELECT changes(), round(sum(price), 2) FROM item");
  run("INSERT INTO kind VALUES(3, 'twice')");

  const pid_t other = fork();
  if (other == 0) {
    sqlite3* inherited = db;
    (void)inherited;  // a connection must not be used behind a fork
    open_database(argv[1]);
    run("SELECT 'the other sees ' || count(*) FROM item");
    for (int i = 0; i < 20; ++i) run("INSERT INTO item(name, kind) VALUES('from the other', 1)");
    sqlite3_close(db);
    _exit(0);
  }
  int status = -1;
  waitpid(other, &status, 0);
  printf("the other ended with %d\n", status);
  run("SELECT count(*) FROM item WHERE name = 'from the other'");

  // Both at a time: whoever finds it locked waits.
  const pid_t competitor = fork();
  if (competitor == 0) {
    open_database(argv[1]);
    for (int i = 0; i < 15; ++i) run("INSERT INTO kind(label) VALUES('c' || hex(randomblob(4)))");
    sqlite3_close(db);
    _exit(0);
  }
  for (int i = 0; i < 15; ++i) run("INSERT INTO kind(label) VALUES('p' || hex(randomblob(4)))");
  waitpid(competitor, &status, 0);
  run("SELECT count(*) FROM kind");
  run("VACUUM");
  run("PRAGMA integrity_check");
  run("PRAGMA page_count");
  sqlite3_close(db);
  // Which of the two came first is in the file: what it says was compared, not its bytes.
  return unlink(argv[1]) == 0 ? 0 : 1;
}
