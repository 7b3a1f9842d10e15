/**
 * The other end of a socket, on a thread of its own, for a ring blocks the thread that it is on.
 *
 *   "echo"   sends back what it receives        "slow echo"  begins to read only after a while
 *   "close"  says "bye" and is gone             "late"       sends "late" after a while, then closes
 */
import { connect } from "node:net";
import { workerData } from "node:worker_threads";

const { path, behaviour } = workerData;
const socket = connect(path);
socket.on("error", () => {});
switch (behaviour) {
  case "echo":
    socket.pipe(socket);
    break;
  case "slow echo":
    setTimeout(() => socket.pipe(socket), 50);
    break;
  case "close":
    socket.on("connect", () => socket.end("bye"));
    socket.on("finish", () => socket.destroy());
    socket.resume();
    break;
  case "late":
    setTimeout(() => socket.end("late"), 30);
    socket.resume();
    break;
}
