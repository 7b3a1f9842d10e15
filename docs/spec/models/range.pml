/* The merging range as a set (C-34, C-37, C-39), beside merge.pml, which has one chunk and all of the devices' caches.
 * Three chunks of M, side by side, all mapped: 0 and 2 are merged in one step, 1, which lies between them, in the next one, whose
 * set takes the same words. Writers of M look for their chunk word by word, inside the gate. Devices lose nothing here.
 * Properties: a write is never lost, neither now nor by a crash (P6); nobody waits for a chunk that is not being
 * merged; every write is answered (P4). */
#define NW 2
#define NC 3
#ifndef NREQ
#define NREQ 2
#endif
byte org[NC], cow[NC];                 /* what the devices hold; M shows cow where the chunk is mapped */
bit tab[NC], disk[NC];                 /* the entry in memory, the exception on disk */
byte set[2], n;                        /* the range: chunks, and how many of them count */
bit hold, inO[NW], need[NW];
bit rangeSet;                          /* main's own word */
byte fin;
/* ghosts: the last write to a chunk; the chunk is in the last set that was stored */
byte last[NC]; bit member[NC];

inline NOW(c) { assert((tab[c] -> cow[c] : org[c]) == last[c]) }
inline CRASH(c) { assert((disk[c] -> cow[c] : org[c]) == last[c]) }

proctype Worker(byte w) {
  byte r, c, v, i, k; bit t, met, again;
  do
  :: r < NREQ ->
     atomic { r++; v = 1 + w*NREQ + r; again = 0; if :: c = 0 :: c = 1 :: c = 2 fi }
LOOK:
     inO[w] = 1;
     if :: hold -> inO[w] = 0; (!hold); goto LOOK :: else fi;
     met = 0; i = 0;
#ifdef W_ONCE
     if :: again -> goto FOUND :: else fi;  /* the set was looked at before: released is permission to write */
#endif
     k = n;
#ifdef W_HULL
     if :: k > 0 && set[0] <= c && c <= set[k-1] -> met = 1 :: else fi;
#else
     do
     :: i < k && !met -> if :: set[i] == c -> met = 1 :: else fi; i++
     :: else -> break
     od;
#endif
     if
     :: met -> atomic { assert(member[c]); again = 1 }
        inO[w] = 0; need[w] = 1; (!need[w]); goto LOOK
     :: else
     fi;
FOUND:
     t = tab[c];
     if
     :: t -> atomic { cow[c] = v; last[c] = v; NOW(c); CRASH(c) }
     :: else -> atomic { org[c] = v; last[c] = v; NOW(c); CRASH(c) }
     fi;
     inO[w] = 0
  :: else -> break
  od;
  fin++
}

/* Close the gate, drain it. */
inline HOLD() {
#ifndef W_GATE
  hold = 1; (!inO[0]); (!inO[1])
#else
  skip
#endif
}
inline COPY(c) { x = cow[c]; org[c] = x }
inline GONE(c) { atomic { tab[c] = 0; NOW(c) } }
inline FILL() { member[0] = 0; member[1] = 0; member[2] = 0 }

proctype Merger() { byte x; byte tries;
FIRST:
  HOLD();
  atomic { FILL(); member[0] = 1; member[2] = 1; rangeSet = 1 }
#ifdef W_LATE
  n = 2; hold = 0;                     /* published before it is filled */
  set[0] = 0; set[1] = 2;
#else
  set[0] = 0; set[1] = 2; n = 2;
  hold = 0;
#endif
  COPY(0);
  if
  :: tries < 1 -> tries++;             /* a copy fails: the range ends, and the step is made again */
     n = 0;
     atomic { rangeSet = 0; need[0] = 0; need[1] = 0 }
     goto FIRST
  :: skip
  fi;
#ifdef W_SHRINK
  set[0] = 2; n = 1;                   /* a chunk leaves the set when it has been copied */
#endif
  COPY(2);
#ifdef W_CLEAR
  n = 0;
#endif
  atomic { disk[0] = 0; disk[2] = 0; CRASH(0); CRASH(2) }
#ifdef W_ENTRY
  GONE(2); n = 0; GONE(0);             /* cleared between two entries */
#else
  GONE(2); GONE(0);
  n = 0;
#endif
  atomic { rangeSet = 0; need[0] = 0; need[1] = 0 }
#ifndef W_REFILL
  HOLD();                              /* else: the next set while writes are about that have not seen it */
#endif
  atomic { FILL(); member[1] = 1; rangeSet = 1 }
  set[0] = 1; n = 1;
  hold = 0;
  COPY(1);
  atomic { disk[1] = 0; CRASH(1) }
  GONE(1);
  n = 0;
  atomic { rangeSet = 0; need[0] = 0; need[1] = 0 }
}

/* A write that has met a range which is cleared by now is sent back at once. */
proctype Answer() {
end: do
  :: atomic { need[0] && !rangeSet -> need[0] = 0 }
  :: atomic { need[1] && !rangeSet -> need[1] = 0 }
  od
}

init {
  byte i;
  atomic {
    do :: i < NC -> cow[i] = 9; last[i] = 9; tab[i] = 1; disk[i] = 1; i++ :: else -> break od;
    run Worker(0); run Worker(1); run Merger(); run Answer()
  }
}
#ifdef LIVE
ltl live { <> (fin == NW) }
#endif
