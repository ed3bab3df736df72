// One sample as a COBS frame: the values, their CRC-32, no zero byte inside, a zero byte at the end.
//
// Any frame that a cable damages is seen and dropped by the agent, and the next zero byte begins afresh.
// COBS: Cheshire and Baker, IEEE/ACM Transactions on Networking 7 (2), 1999.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Longest payload: with its CRC it must fit in one group of COBS.
const size_t LONGEST_PAYLOAD = 250;
// Bytes that a frame is longer than its payload: one code, four of CRC, one zero.
const size_t FRAME_OVERHEAD = 6;

// CRC-32 as Ethernet, gzip and PNG have it, bit by bit: no table, because RAM is scarce.
inline uint32_t crc32(const uint8_t *bytes, size_t count) {
  uint32_t crc = 0xFFFFFFFFUL;
  while (count--) {
    crc ^= *bytes++;
    for (uint8_t bit = 0; bit < 8; bit++) {
      crc = (crc >> 1) ^ ((crc & 1) ? 0xEDB88320UL : 0);
    }
  }
  return ~crc;
}

// Write the frame of `payload` to `frame`, which must have room for `count + FRAME_OVERHEAD` bytes.
// Return the length of the frame; 0 if the payload is too long.
inline size_t cobs_frame(const uint8_t *payload, size_t count, uint8_t *frame) {
  if (count > LONGEST_PAYLOAD) {
    return 0;
  }
  const uint32_t crc = crc32(payload, count);
  uint8_t *code = frame;  // where the distance to the next zero is written
  uint8_t *out = frame + 1;
  for (size_t i = 0; i < count + 4; i++) {
    // the CRC's lowest byte comes first
    const uint8_t byte = i < count ? payload[i] : (uint8_t)(crc >> (8 * (i - count)));
    if (byte != 0) {
      *out++ = byte;
    } else {
      *code = (uint8_t)(out - code);
      code = out++;
    }
  }
  *code = (uint8_t)(out - code);
  *out++ = 0;
  return (size_t)(out - frame);
}
