/**
 * What a piece asks of the kernel, and what the kernel may answer.
 */
import { describe, expect, it } from "vitest";
import { GATE_COUNT } from "../../../src/base/gate-numbers.ts";
import { FILE_COUNT } from "../../../src/ring/file-table.ts";
import { createVolumeWords, VolumeReader, VolumeWords } from "../../../src/ring/volume-words.ts";
import { Announcement } from "../../../workers/export/announcement.ts";
import { Claim } from "../../../workers/export/claim.ts";
import { DeviceView } from "../../../workers/export/device-view.ts";
import { Durability, Transfer } from "../../../workers/export/transfer.ts";

const DEVICE = new DeviceView({ file: 1, align: 512, inline: false });

function begun(): Transfer {
  const transfer = new Transfer();
  transfer.begin(DEVICE, 4096, Durability.WhenFlushed);
  return transfer;
}

describe("a transfer", () => {
  it("takes an answer for each question, no longer than it", () => {
    const transfer = begun();
    transfer.ask(4096);
    expect(() => transfer.answered(4097)).toThrow("more bytes than it was asked for");
    transfer.answered(1024);
    expect(transfer.underWay).toBe(0);
    expect(() => transfer.answered(0)).toThrow("a completion of nothing");
  });

  it("takes errors and short answers: they are the device's", () => {
    const transfer = begun();
    for (const result of [-5, 0, 1, 512]) {
      transfer.ask(512);
      transfer.answered(result);
    }
    expect(transfer.underWay).toBe(0);
  });

  it("does not begin over an operation that is under way, nor on a file that is none", () => {
    const transfer = begun();
    transfer.ask(512);
    expect(() => transfer.beginSync(0)).toThrow("before the last one had ended");
    expect(() => new Transfer().beginSync(FILE_COUNT)).toThrow("not in the table");
    expect(() => new Transfer().begin(DEVICE, -1, Durability.AtOnce)).toThrow("before its first");
  });

  it("begins anew with nothing done, and takes the first byte and every file that there is", () => {
    const transfer = begun();
    transfer.progress = 512;
    transfer.advisory = true;
    transfer.error = 5;
    transfer.begin(DEVICE, 0, Durability.AtOnce);
    expect([transfer.device, transfer.file, transfer.position, transfer.progress]).toEqual([DEVICE, 1, 0, 0]);
    expect([transfer.advisory, transfer.error, transfer.durability]).toEqual([false, 0, Durability.AtOnce]);
    for (const file of [0, FILE_COUNT - 1]) {
      transfer.beginSync(file);
      const { device, position, durability } = transfer;
      expect([transfer.file, device, position, durability]).toEqual([file, null, 0, Durability.WhenFlushed]);
    }
    expect(() => transfer.beginSync(-1)).toThrow("not in the table");
    expect(new Transfer().advisory).toBe(false);
  });

  it("goes on from its beginning, or ends, when nothing of it is under way", () => {
    const transfer = begun();
    transfer.progress = 512;
    transfer.ask(0);
    expect(() => transfer.restart()).toThrow("had not ended");
    expect(() => transfer.reset()).toThrow("before its device operation");
    transfer.answered(0);
    transfer.restart();
    expect(transfer.progress).toBe(0);
    transfer.error = 5;
    transfer.allocateMode = 1;
    expect(() => transfer.reset()).toThrow("not been taken note of");
    transfer.allocateMode = 0;
    transfer.reset();
    expect([transfer.device, transfer.error]).toEqual([null, 0]);
  });

  it("has two edges at a time, no more", () => {
    const transfer = begun();
    transfer.ask(512);
    transfer.ask(512);
    expect(() => transfer.ask(512)).toThrow("too many operations");
  });
});

describe("an announcement", () => {
  const words = createVolumeWords();
  const gate = new VolumeWords(words).gate(2);
  const pass = new VolumeReader(words, 0).pass(2);

  it("is in one gate at a time, entered once and left once", () => {
    const announcement = new Announcement();
    expect([announcement.gate, announcement.exclusive, announcement.isNowhere]).toEqual([-1, false, true]);
    expect(() => announcement.enter(pass, -1)).toThrow("a gate that is none");
    expect(() => announcement.enter(pass, GATE_COUNT)).toThrow("a gate that is none");
    expect(announcement.enter(pass, 2)).toBe(true);
    expect(gate.inFlight()).toBe(1);
    expect(() => announcement.enter(pass, 2)).toThrow("entered a gate and was in one");
    expect(() => announcement.grantExclusive()).toThrow("was in a gate");
    expect(announcement.leave()).toBe(false);
    expect(() => announcement.leave()).toThrow("was in none");
    expect(gate.inFlight()).toBe(0);
  });

  it("stands in a closed gate until it is taken back", () => {
    const announcement = new Announcement();
    gate.close();
    expect(announcement.enter(pass, 2)).toBe(false);
    expect(announcement.leave()).toBe(true);
    gate.open();
    expect(announcement.isNowhere).toBe(true);
  });

  it("alone is ended as such", () => {
    const announcement = new Announcement();
    announcement.grantExclusive();
    expect(() => announcement.leave()).toThrow("was in none");
    expect([announcement.exclusive, announcement.isNowhere]).toEqual([true, false]);
    announcement.leaveExclusive();
    expect([announcement.exclusive, announcement.isNowhere]).toEqual([false, true]);
    for (const last of [0, GATE_COUNT - 1]) {
      announcement.enter(pass, last);
      expect(announcement.gate).toBe(last);
      expect(() => announcement.leaveExclusive()).toThrow("not alone");
      announcement.leave();
    }
    expect(() => announcement.leaveExclusive()).toThrow("not alone");
  });
});

describe("a claim", () => {
  it("is of one chunk, ended once, and not made again where it was refused", () => {
    const claim = new Claim();
    claim.begin(7, 1);
    expect(() => claim.begin(8, 1)).toThrow("two chunks");
    expect(() => claim.reset()).toThrow("outlived its write");
    claim.end();
    expect(() => claim.end()).toThrow("ended twice");
    claim.may = false;
    expect(() => claim.begin(8, 1)).toThrow("what it was refused");
    claim.reset();
    claim.begin(8, 2);
    expect([claim.chunk, claim.epoch]).toEqual([8, 2]);
  });
});
