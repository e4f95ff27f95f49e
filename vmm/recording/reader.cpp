#include "vmm/recording/reader.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "vmm/recording/codec.hpp"
#include "vmm/recording/frame_index.hpp"

namespace faultline::vmm::recording {

class Reader::Impl {
 public:
  explicit Impl(std::unique_ptr<RecordingFile> file) : file_(std::move(file)), problem_(file_->problem()) {
    const auto& frames = file_->frames();
    end_ = frames.size();
    decode_ = decoder_ready();
    note_numbers();
  }

  [[nodiscard]] const RunInfo& info() const { return file_->info().info; }
  [[nodiscard]] std::uint64_t first() const { return first_; }
  [[nodiscard]] std::uint64_t last() const { return last_; }
  [[nodiscard]] const std::string& problem() const { return problem_; }
  bool decode_instructions(bool wanted) { return std::exchange(decode_, wanted && decoder_ready()); }

  // Fills in the next event. False: there is none.
  bool next(Event& event) {
    while (!decoder_ || left_ == 0) {
      if (at_ >= end_) return false;
      if (file_->frames()[at_].head.kind == FrameKind::kEvents) {
        if (!begin(at_)) return false;
      }
      ++at_;
    }
    if (!decode_one(event)) return false;
    auto* fault = decode_ ? std::get_if<Fault>(&event.body) : nullptr;
    if (fault != nullptr && fault->record.origin == mmu::FaultOrigin::kUser)
      decode_instruction(*instructions_, fault->input, fault->record);
    return true;
  }

  void seek(std::uint64_t number) {
    const auto& frames = file_->frames();
    const auto begin_at = frames.begin(), end_at = frames.begin() + static_cast<std::ptrdiff_t>(end_);
    const auto behind = std::partition_point(begin_at, end_at, [number](const FrameRef& f) {
      return f.head.first_event + (f.head.kind == FrameKind::kEvents ? f.head.events : 0) <= number;
    });
    at_ = static_cast<std::size_t>(behind - begin_at);
    decoder_.reset();
    left_ = 0;
    while (at_ < end_ && frames[at_].head.kind != FrameKind::kEvents) ++at_;
    if (at_ >= end_ || !begin(at_)) return;
    ++at_;
    Event skipped;
    while (number_ < number && left_ != 0)
      if (!decode_one(skipped)) return;
  }

  std::optional<std::uint64_t> keyframe(std::uint64_t number, const std::function<void(const Event&)>& tell) {
    const auto& frames = file_->frames();
    for (std::size_t last = end_; last-- > 0;) {
      if (frames[last].head.kind != FrameKind::kKeyframeLast || frames[last].head.first_event > number + 1) continue;
      std::size_t first = last;
      while (first > 0 && frames[first - 1].head.kind == FrameKind::kKeyframe) --first;
      if (first == 0) break;  // its beginning may have been overwritten
      if (tell_frames(first, last, tell)) return frames[last].head.first_event - 1;
    }
    return std::nullopt;
  }

 private:
  bool decoder_ready() {
    if (instructions_) return true;
    auto made = decode::Decoder::create();
    if (!made) return false;
    instructions_.emplace(std::move(*made));
    return true;
  }

  void note_numbers() {
    first_ = last_ = 0;
    for (std::size_t i = 0; i < end_; ++i) {
      const FrameHead& head = file_->frames()[i].head;
      if (head.kind != FrameKind::kEvents || head.events == 0) continue;
      if (first_ == 0) first_ = head.first_event;
      last_ = head.first_event + head.events - 1;
    }
  }

  // Nothing from here on is any use.
  void end_here(std::string why, std::uint64_t last) {
    problem_ = std::move(why);
    end_ = at_;
    last_ = last;
    if (last_ < first_) first_ = last_ = 0;
    decoder_.reset();
    left_ = 0;
  }

  std::optional<Decoder> open_frame(const FrameRef& frame, std::string& why) {
    auto raw = file_->load(frame);
    if (!raw) {
      why = raw.error().message;
      return std::nullopt;
    }
    raw_ = std::move(*raw);
    return Decoder(raw_, info().mode, frame.head.base_ns, file_->info().step_of);
  }

  bool begin(std::size_t at) {
    const FrameRef& frame = file_->frames()[at];
    std::string why;
    decoder_ = open_frame(frame, why);
    left_ = frame.head.events;
    number_ = frame.head.first_event;
    if (!decoder_) end_here(std::move(why), frame.head.first_event - 1);
    return decoder_.has_value();
  }

  bool decode_one(Event& event) {
    const FrameRef& frame = file_->frames()[at_ - 1];
    event.number = number_;
    if (!decoder_->next(event)) {
      --at_;
      end_here(fmt::format("frame {} at byte {}: event {} makes no sense", frame.head.sequence, frame.at, number_),
               number_ - 1);
      return false;
    }
    if (auto* fault = std::get_if<Fault>(&event.body)) fault->record.backend = info().backend;
    ++number_;
    --left_;
    return true;
  }

  bool tell_frames(std::size_t first, std::size_t last, const std::function<void(const Event&)>& tell) {
    decoder_.reset();
    left_ = 0;
    for (std::size_t i = first; i <= last; ++i) {
      std::string why;
      const FrameRef& frame = file_->frames()[i];
      auto decoder = open_frame(frame, why);
      Event event;
      event.number = frame.head.first_event - 1;
      for (std::uint32_t n = 0; decoder && n < frame.head.events; ++n) {
        if (!decoder->next(event)) return false;
        tell(event);
      }
      if (!decoder) return false;
    }
    return true;
  }

  std::unique_ptr<RecordingFile> file_;
  std::string problem_;
  std::uint64_t first_ = 0, last_ = 0;
  std::size_t at_ = 0, end_ = 0;  // the next frame; the first that is no use
  Bytes raw_;                     // of the frame being read
  std::optional<Decoder> decoder_;
  std::uint32_t left_ = 0;  // events in it
  std::uint64_t number_ = 0;
  bool decode_ = true;
  std::optional<decode::Decoder> instructions_;
};

Result<std::unique_ptr<Reader>> Reader::open(const std::string& path) {
  auto file = RecordingFile::open(path);
  if (!file) return tl::unexpected(file.error());
  return std::unique_ptr<Reader>(new Reader(std::make_unique<Impl>(std::move(*file))));
}

Reader::Reader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Reader::~Reader() = default;

const RunInfo& Reader::info() const { return impl_->info(); }
std::optional<Event> Reader::next() {
  std::optional<Event> event(std::in_place);
  if (!impl_->next(*event)) event.reset();
  return event;
}
void Reader::seek(std::uint64_t number) { impl_->seek(number); }
std::uint64_t Reader::first() const { return impl_->first(); }
std::uint64_t Reader::last() const { return impl_->last(); }
const std::string& Reader::problem() const { return impl_->problem(); }
bool Reader::decode_instructions(bool wanted) { return impl_->decode_instructions(wanted); }
std::optional<std::uint64_t> Reader::keyframe(std::uint64_t number, const std::function<void(const Event&)>& tell) {
  return impl_->keyframe(number, tell);
}

}  // namespace faultline::vmm::recording
