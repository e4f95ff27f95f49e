// The JSON form: valid, complete, and exactly what the schema in docs/ says.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/record/sample_records.hpp"
#include "tests/unit/record/schema_validator.hpp"
#include "vmm/record/fault_log.hpp"
#include "vmm/record/format.hpp"

namespace faultline::vmm {
namespace {

using Json = nlohmann::json;

std::string line_of(const FaultRecord& r) {
  fmt::memory_buffer out;
  append_json(out, r);
  return fmt::to_string(out);
}

SchemaValidator schema() {
  const auto path = std::filesystem::path(__FILE__).parent_path() / "../../../docs/fault-record.schema.json";
  std::ifstream file(path);
  return SchemaValidator(Json::parse(file));
}

TEST(FaultRecordJson, IsOneLineThatTheSchemaAccepts) {
  SchemaValidator validator = schema();
  for (const FaultRecord& r : sample_records()) {
    const std::string line = line_of(r);
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    for (const std::string& error : validator.validate(Json::parse(line))) ADD_FAILURE() << error << "\n" << line;
  }
}

TEST(FaultRecordJson, EveryPropertyOfTheSchemaIsWritten) {
  SchemaValidator validator = schema();
  for (const FaultRecord& r : sample_records()) (void)validator.validate(Json::parse(line_of(r)));
  (void)validator.validate(Json{{"version", 1}, {"report", "text"}});
  EXPECT_EQ(validator.met(), validator.known());
}

TEST(FaultRecordJson, TheValidatorNoticesWhatIsWrong) {
  SchemaValidator validator = schema();
  const Json good = Json::parse(line_of(anonymous_write()));
  for (const auto& [key, value] : good.items()) {
    Json lacking = good;
    lacking.erase(key);
    EXPECT_FALSE(validator.validate(lacking).empty()) << key;
  }
  Json more = good;
  more["surprise"] = 1;
  EXPECT_FALSE(validator.validate(more).empty());
  Json wrong = good;
  wrong["tlb"] = "maybe";
  EXPECT_FALSE(validator.validate(wrong).empty());
}

TEST(FaultRecordJson, SaysWhatHappened) {
  const Json j = Json::parse(line_of(anonymous_write()));
  EXPECT_EQ(j["address"], "0x7fff12345678");
  EXPECT_EQ(j["error"]["text"], "user write, page not present");
  EXPECT_EQ(j["instruction"]["text"], "mov dword ptr [rax], ecx");
  EXPECT_EQ(j["instruction"]["bytes"], "8908");
  EXPECT_EQ(j["verdict"]["operand"], 1);
  EXPECT_EQ(j["instruction"]["operands"][1]["address"], "0x7fff12345678");
  EXPECT_EQ(j["walk"]["blame"]["bit"], "P");
  EXPECT_EQ(j["walk"]["levels"].size(), 4U);
  EXPECT_EQ(j["path"], (Json{"find_vma", "do_anonymous_page"}));
  EXPECT_EQ(j["edits"][0]["before"], "0x0");
  EXPECT_EQ(j["frames_allocated"], Json{"0x99"});
  EXPECT_EQ(j["outcome"]["end"], "minor");
  EXPECT_TRUE(j["outcome"]["signal"].is_null());
  EXPECT_EQ(j["times_ns"]["edit"], 410);
}

TEST(FaultRecordJson, SaysWhichSignal) {
  const Json j = Json::parse(line_of(gather_segv()));
  EXPECT_EQ(j["outcome"]["signal"]["name"], "SIGSEGV");
  EXPECT_EQ(j["outcome"]["signal"]["si_code_name"], "SEGV_MAPERR");
  EXPECT_EQ(j["outcome"]["signal"]["si_addr"], "0x123000");
  EXPECT_TRUE(j["vma"].is_null());
  EXPECT_TRUE(j["instruction"]["operands"][1]["address"].is_null());
}

TEST(FaultRecordJson, NamesThatAreNoUtf8StayValid) {
  const Json j = Json::parse(line_of(copy_on_write()));
  EXPECT_EQ(j["vma"]["name"], "/tmp/a \"b\" \u00e4\ufffd");
  EXPECT_EQ(j["instruction"]["disagreements"][0]["field"], "access");
}

TEST(FaultRecordJson, KeepsCountsBeyondWhatTheLogKeeps) {
  FaultRecord r = anonymous_write();
  for (unsigned n = 0; n < 100; ++n) r.edits.add({Gva(n * kPageSize), 1, Gpa(n * 8), mmu::Pte(), mmu::Pte(1)});
  const Json j = Json::parse(line_of(r));
  EXPECT_EQ(j["edits_total"], 101);
  EXPECT_EQ(j["edits"].size(), std::size_t{mmu::EditLog::kKept});
}

}  // namespace
}  // namespace faultline::vmm
