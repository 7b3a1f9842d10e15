#include "ring.h"

#include <cerrno>
#include <cstring>

namespace snapring {

bool Ring::copy(uint64_t target, uint64_t source, uint64_t length) {
  const uint64_t bytes = memory_.arena.bytes;
  if (length > bytes || target > bytes - length || source > bytes - length) return false;
  memmove(memory_.arena.base + target, memory_.arena.base + source, length);
  return true;
}

bool Ring::zero(uint64_t target, uint64_t length) {
  const uint64_t bytes = memory_.arena.bytes;
  if (length > bytes || target > bytes - length) return false;
  memset(memory_.arena.base + target, 0, length);
  return true;
}

void Ring::beginTurn(uint32_t count) {
  counters_.turns++;
  counters_.submitted += count;
  out_ = 0;
  while (!kept_.empty() && hasRoom()) {
    const Kept next = kept_.front();
    kept_.pop_front();
    counters_.completed--;
    emit(next);
  }
}

uint32_t Ring::prepareChain(uint32_t index, uint32_t count) {
  chain_.clear();
  size_t bad = 0;
  int32_t status = 0;
  for (;;) {
    const uint32_t slot = ops_.take();
    Op& op = ops_.at(slot);
    const bool known = decodeRequest(memory_.submissions + uint64_t{index} * kDescriptorWords, &op.request);
    const int32_t own = known ? prepareOp(&op, files_, memory_.arena) : -EINVAL;
    if (own != 0 && status == 0) {
      status = own;
      bad = chain_.size();
    }
    chain_.push_back(slot);
    index++;
    // A link at the end of a batch has nothing behind it.
    if (index == count) op.request.link = false;
    if (!op.request.link) break;
  }
  if (status != 0) {
    failChain(0, bad, status);
    chain_.clear();
  }
  return index;
}

void Ring::failChain(size_t first, size_t bad, int32_t status) {
  for (size_t i = first; i < chain_.size(); i++) finish(chain_[i], i == bad ? status : -ECANCELED);
}

void Ring::finish(uint32_t slot, int32_t result) {
  const Request& request = ops_.at(slot).request;
  emit({request.user, result, request.word0});
  ops_.give(slot);
}

void Ring::emit(const Kept& completion) {
  counters_.completed++;
  if (!hasRoom()) {
    kept_.push_back(completion);
    return;
  }
  int32_t* words = memory_.completions + uint64_t{out_} * kCompletionWords;
  words[0] = completion.user;
  words[1] = completion.result;
  words[2] = static_cast<int32_t>(completion.word0);
  words[3] = 0;
  out_++;
}

}  // namespace snapring
