/**
 * Mutants of what volumes share, for lives of three volumes on one set of workers (together.ts): messages that reach another volume, shares that leak,
 * numbers that are used again under I/O, ends that are said too early (C-19, E-25, E-42). What a unit test of one part sees is planted there
 * (test/mutants/planted.ts).
 */
import { edit, inLivesWith, mutant, type Mutant } from "./mutant.ts";

const GROUP = "src/core/creation-group.ts";
const CREATION = "src/core/creation.ts";
const MAKING = "src/core/store-making.ts";
const SHELL = "src/engine/core-shell.ts";
const HANDLE = "src/engine/snapshot-handle.ts";
const LOOP = "workers/export/loop.ts";
const PIECES = "workers/export/pieces.ts";
const CLIENTS = "workers/export/clients.ts";
const SHARES = "workers/copy/segment-shares.ts";

export const VOLUME_MUTANTS: readonly Mutant[] = [
  mutant(
    "the volumes of a group are held one after the other (E-50)",
    "A write that follows an answer of the first volume is in the snapshot of the second, and what was answered in none.",
    edit(
      GROUP,
      "else if (this.#members.every(({ at }) => at === halt)) for",
      'else if (halt !== "durable") member.creation.goOn();\n    else if (this.#members.every(({ at }) => at === halt)) for',
    ),
  ),
  mutant(
    "a member of a group is told to be made when its own origin is flushed (E-50)",
    "The power fails, and of a group that somebody has heard of a part is older, or gone.",
    edit(
      GROUP,
      "else if (this.#members.every(({ at }) => at === halt)) for",
      'else if (halt === "durable") member.creation.goOn();\n    else if (this.#members.every(({ at }) => at === halt)) for',
    ),
  ),
  mutant(
    "a member of a group is registered before its store is durable (S-31, E-46)",
    "The power fails amid the group, and the volume cannot be opened: what is registered has no header.",
    edit(MAKING, 'this.#state = "formatting";', 'this.#state = "register";'),
    edit(
      MAKING,
      '    assert(this.#state === "formatting", "the format is under way");\n    if (error === 0) this.#state = "register";\n',
      "    if (error === 0) return;\n",
    ),
  ),
  mutant(
    "a member of a group that fails leaves the others as they are (E-50)",
    "They wait for it for ever.",
    edit(GROUP, "    if (error !== 0) this.cancel();\n", ""),
  ),
  mutant(
    "what is given up after the release is undone as if nobody had seen it (E-50)",
    "Its exceptions are under way, and its header is blank.",
    edit(CREATION, 'this.#stage = this.#isActive ? "drop" : "undo";', 'this.#stage = "undo";'),
    edit(CREATION, "if (this.#isActive) this.#drop(one.snapshot);\n      else one.undo();", "one.undo();"),
  ),
  mutant(
    "main's answer names the first volume",
    "Where that has gone, or has failed, nobody takes it.",
    edit(
      SHELL,
      "outbox.begin(Message.Released, this.volume, token % TOKEN_WORKER)",
      "outbox.begin(Message.Released, 0, token % TOKEN_WORKER)",
    ),
  ),
  mutant(
    "a gate of the first volume is said to have opened, whosever it was",
    "The writes that are parked at the other one wait for ever.",
    edit(HANDLE, "outbox.begin(Message.GateOpened, volume, 0)", "outbox.begin(Message.GateOpened, 0, 0)"),
  ),
  mutant(
    "a worker asks in the name of the first volume",
    "Another volume's snapshots keep the old data, and these do not.",
    edit(
      "workers/export/needs.ts",
      "outbox.begin(Message.NeedOrigin, piece.volume, piece.index)",
      "outbox.begin(Message.NeedOrigin, 0, piece.index)",
    ),
  ),
  mutant(
    "a copy is told to the first volume, whosever it was",
    "An exception is published before its data is there, or never.",
    edit(
      "workers/copy/copy-answers.ts",
      "begin(Message.Copied, job.volume, job.id)",
      "begin(Message.Copied, 0, job.id)",
    ),
  ),
  inLivesWith(
    ["reserves", "fills"],
    mutant(
      "chunks in reserve reach another volume's snapshot of that number",
      "A chunk is handed out that its store has for something else.",
      edit(
        LOOP,
        "const snapshot = this.#context.volumes[volumeOf(words, at)]?.snapshots[Reserved",
        "const snapshot = this.#context.volumes.find((v) => v !== undefined)?.snapshots[Reserved",
      ),
    ),
  ),
  mutant(
    "a volume that fails takes along what waits in the others",
    "Requests of a volume that is well fail.",
    edit(
      PIECES,
      "if (piece.volume !== volume || !waitsForWord(piece.stage)) continue;",
      "if (volume < 0 || !waitsForWord(piece.stage)) continue;",
    ),
  ),
  mutant(
    "a volume is said to have stopped before its last request has ended",
    "Its devices are closed under I/O, and their numbers are another volume's.",
    edit(
      "workers/export/served-volume.ts",
      "return this.clients === 0 && this.requests === 0;",
      "return this.clients === 0;",
    ),
    edit(
      "workers/export/assembly.ts",
      '    assert(volume.clients === 0 && volume.requests === 0, "a volume was taken away from its clients");\n',
      "",
    ),
  ),
  mutant(
    "a volume that has failed does not wait for its copies",
    "As before, where a copy worker still writes.",
    edit(SHELL, "    this.jobs += targets.length;\n", "    this.jobs += targets.length - targets.length;\n"),
    edit(SHELL, "    this.#jobsEnded(bitsIn(ended));\n", ""),
    edit(SHELL, "this.#jobsEnded(bitsIn(Copied.endedTargets.get(words, at)));", "return;"),
    edit(SHARES, '    assert(isThere || this.#used[file] === 0, "a device has gone and has segments");\n', ""),
  ),
  inLivesWith(
    ["slowDisks", "slowClients", "severalSnapshots"],
    mutant(
      "a copy is over for its shell with its first answer (E-18)",
      "As before, where one of its devices is slow.",
      edit(SHELL, "    this.#jobsEnded(bitsIn(ended));\n", "    this.#jobsEnded(1);\n"),
      edit(SHELL, "this.#jobsEnded(bitsIn(Copied.endedTargets.get(words, at)));", "this.#jobsEnded(1);"),
      edit(SHELL, "    this.jobs += targets.length;\n", "    this.jobs += 1;\n"),
    ),
  ),
  mutant(
    "a volume that is closed is offered at the address of all",
    "Who enters it is nobody's client.",
    edit(CLIENTS, "    this.#allExports.remove(exports);\n", "    void exports;\n"),
    edit(
      "workers/export/assembly.ts",
      "    if (exports !== undefined) this.#allExports.remove(exports);\n",
      "    void exports;\n",
    ),
  ),
  mutant(
    "a copy does not give back what is common (E-25)",
    "After some copies no volume's go on.",
    edit(SHARES, "    if (share === COMMON) this.#commonUsed -= 1;\n    else", "    if (share !== COMMON)"),
    edit(
      SHARES,
      'assert(share === COMMON ? this.#commonUsed >= 0 : this.#used[share] >= 0, "a segment was given back twice");',
      "",
    ),
  ),
];
