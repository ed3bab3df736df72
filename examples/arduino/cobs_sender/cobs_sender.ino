// Three analogue inputs at 100 Hz as COBS frames, for `edgekit`:
//
//     [source]
//     kind = "serial"
//     port = "/dev/serial/by-id/…"      # `edgekit listen PORT` shows the rest
//     baud = 115200
//     format = "cobs"
//     frame = "<3h"                     # three int16, little-endian: the struct below
//
// Put your own sensor's readings into `sample`, and its fields into `frame`: int16_t is `h`, uint16_t `H`,
// int32_t `i`, float `f`. Do not print anything else: text between frames costs the frame behind it.

#include "cobs_frame.h"

const unsigned long PERIOD_US = 10000;  // 100 Hz

struct __attribute__((packed)) Sample {
  int16_t x, y, z;
};

unsigned long due_us;

void setup() {
  Serial.begin(115200);
  due_us = micros();
}

void loop() {
  if ((long)(micros() - due_us) < 0) {
    return;
  }
  due_us += PERIOD_US;  // and not `micros() + …`: the rate must not drift

  Sample sample;
  sample.x = analogRead(A0);
  sample.y = analogRead(A1);
  sample.z = analogRead(A2);

  uint8_t frame[sizeof(sample) + FRAME_OVERHEAD];
  const size_t length = cobs_frame((const uint8_t *)&sample, sizeof(sample), frame);
  Serial.write(frame, length);
}
