// The part of JSON Schema that docs/fault-record.schema.json uses, and which properties were met.
#pragma once

#include <regex.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace faultline::vmm {

class SchemaValidator {
 public:
  explicit SchemaValidator(nlohmann::json schema) : root_(std::move(schema)) {}

  // What is wrong with the document; empty: it is valid.
  std::vector<std::string> validate(const nlohmann::json& document) {
    std::vector<std::string> errors;
    check(root_, document, "", "$", errors);
    return errors;
  }
  // "definition.property" of everything that a document had, and of all that the schema knows.
  [[nodiscard]] const std::set<std::string>& met() const { return met_; }
  [[nodiscard]] std::set<std::string> known() const {
    std::set<std::string> all;
    for (const auto& [name, definition] : root_["$defs"].items())
      if (definition.contains("properties"))
        for (const auto& [property, ignored] : definition["properties"].items()) all.insert(name + "." + property);
    return all;
  }

 private:
  using Json = nlohmann::json;
  using Errors = std::vector<std::string>;

  void check(const Json& schema, const Json& value, const std::string& definition, const std::string& at,
             Errors& errors) {
    for (const auto& [keyword, argument] : schema.items()) {
      if (keyword == "$ref") {
        const std::string name = argument.get<std::string>().substr(sizeof("#/$defs/") - 1);
        check(root_["$defs"].at(name), value, name, at, errors);
      } else if (keyword == "oneOf") {
        check_one_of(argument, value, at, errors);
      } else if (keyword == "type") {
        if (!is_type(argument, value)) errors.push_back(at + ": is no " + argument.get<std::string>());
      } else if (keyword == "const") {
        if (value != argument) errors.push_back(at + ": is not " + argument.dump());
      } else if (keyword == "enum") {
        if (std::find(argument.begin(), argument.end(), value) == argument.end())
          errors.push_back(at + ": " + value.dump() + " is not in the list");
      } else if (keyword == "pattern") {
        if (!value.is_string() || !matches(argument.get<std::string>(), value.get<std::string>()))
          errors.push_back(at + ": " + value.dump() + " has another form");
      } else if (keyword == "minimum") {
        if (value < argument) errors.push_back(at + ": too small");
      } else if (keyword == "maximum") {
        if (value > argument) errors.push_back(at + ": too large");
      } else if (keyword == "items") {
        for (std::size_t n = 0; n < value.size(); ++n)
          check(argument, value[n], definition, at + "[" + std::to_string(n) + "]", errors);
      } else if (keyword == "required") {
        for (const auto& name : argument)
          if (!value.contains(name)) errors.push_back(at + ": lacks " + name.get<std::string>());
      } else if (keyword == "properties") {
        check_properties(argument, value, definition, at, errors);
      }
    }
  }

  void check_properties(const Json& properties, const Json& value, const std::string& definition, const std::string& at,
                        Errors& errors) {
    for (const auto& [name, member] : value.items()) {
      if (!properties.contains(name)) {
        errors.push_back(at + ": " + name + " is not in the schema");
        continue;
      }
      met_.insert(definition + "." + name);
      check(properties[name], member, definition, at + "." + name, errors);
    }
  }

  void check_one_of(const Json& alternatives, const Json& value, const std::string& at, Errors& errors) {
    unsigned matching = 0;
    Errors collected;
    for (const auto& alternative : alternatives) {
      Errors attempt;
      const std::set<std::string> before = met_;
      check(alternative, value, "", at, attempt);
      if (attempt.empty()) {
        ++matching;
      } else {
        met_ = before;
        collected.insert(collected.end(), attempt.begin(), attempt.end());
      }
    }
    if (matching == 1) return;
    errors.push_back(at + ": matches " + std::to_string(matching) + " alternatives");
    errors.insert(errors.end(), collected.begin(), collected.end());
  }

  // The patterns are POSIX extended regular expressions as well as ECMAScript ones.
  static bool matches(const std::string& pattern, const std::string& text) {
    regex_t compiled;
    if (::regcomp(&compiled, pattern.c_str(), REG_EXTENDED | REG_NOSUB) != 0) return false;
    const bool found = ::regexec(&compiled, text.c_str(), 0, nullptr, 0) == 0;
    ::regfree(&compiled);
    return found;
  }

  static bool is_type(const std::string& type, const Json& v) {
    if (type == "object") return v.is_object();
    if (type == "array") return v.is_array();
    if (type == "string") return v.is_string();
    if (type == "integer") return v.is_number_integer();
    if (type == "boolean") return v.is_boolean();
    return type == "null" && v.is_null();
  }

  Json root_;
  std::set<std::string> met_;
};

}  // namespace faultline::vmm
