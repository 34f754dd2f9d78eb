/*
 * map.pml: one stripe of a Map, writers who may be killed, and a reader who takes no lock.
 *
 * WORDS  w[slot] a version, and the number of a cell plus 1, or EMPTY, or HOLE; probing is linear
 *        cell    a key and a value of two words, written to only while no word points to it
 *        moves   counts how often an entry has changed its slot; count, stack and fresh are the writers'
 *
 * WRITE    the robust lock is held; if its last holder died, SWEEP comes first
 *   store  W1  take a cell from the stack, or the first fresh one
 *          W2  write key and value, THEN the word with a new version
 *          W3  the cell that was replaced goes on the stack, or count + 1
 *   delete D1  the word becomes a HOLE, moves + 1
 *          D2  close the hole: an entry behind it that may stand there is published there, THEN moves + 1,
 *              THEN its old word becomes the hole; in the end the hole becomes EMPTY
 *          D3  count - 1; the cell goes on the stack
 *   clear  C1  each word of an entry becomes a HOLE
 *          C2  THEN each HOLE becomes EMPTY; stack, fresh and count as in the beginning
 * READ     R1  m = moves
 *          R2  probe to an EMPTY word; compare the keys; copy the value
 *          R3  the word is still the same: found. Nothing found, and moves = m: there is none. Else from R1
 * SWEEP    a cell in two words was on its way: moves + 1, THEN the farther one becomes a HOLE; close all
 *          holes; stack, fresh and count again. A killed sweeper leaves it to the next holder.
 *
 * PROVED: what a reader finds is whole, of its key, and no older than when it began; a key that is there
 * all the while is found; whenever the lock is given back, each cell is in one word, or on the stack, or
 * fresh, there is no hole, count is exact, and what was published is there.
 */
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef KEY
#define KEY 2			/* whom the reader looks for */
#endif
#define SLOTS 4
#define CELLS 4			/* room for three entries, and one cell for a value that replaces another */
#define KEYS 3
#define EMPTY 0
#define HOLE 7
#define FREE 9
#define home(k) (k == 3)	/* keys 1 and 2 are at home in slot 0, key 3 in slot 1 */
#define cellOf(word) (word % 8)
#define distance(slot, k) ((slot + SLOTS - home(k)) % SLOTS)
#ifdef BUG_NO_VERSION
#define succeed(word, what) (what)
#else
#define succeed(word, what) ((word / 8 + 1) * 8 + what)
#endif

short w[SLOTS];
byte key[CELLS], a[CELLS], b[CELLS];
byte moves, count, top, fresh, stack[CELLS];
byte lock = FREE;
bool ownerDied, dead[3];

bool there[KEYS + 1];		/* ghosts: what is published */
byte value[KEYS + 1], deleted[KEYS + 1], values;

#define isCell(slot) (cellOf(w[slot]) != EMPTY && cellOf(w[slot]) != HOLE)
#define up(slot) (isCell(slot) && distance(slot, key[cellOf(w[slot]) - 1]) >= (slot + SLOTS - hole) % SLOTS)

inline close(from) {
	atomic { hole = from; slot = (from + 1) % SLOTS; n = 1 };
	do
	:: atomic { n < SLOTS && cellOf(w[slot]) != EMPTY && !up(slot) -> slot = (slot + 1) % SLOTS; n++ }
	:: n < SLOTS && up(slot) ->
#ifdef BUG_HOLE_FIRST
		atomic { c = cellOf(w[slot]); w[slot] = succeed(w[slot], HOLE) };
		moves++;
		atomic { w[hole] = succeed(w[hole], c); hole = slot; slot = (slot + 1) % SLOTS; n++; c = 0 }
#else
		w[hole] = succeed(w[hole], cellOf(w[slot]));
		moves++;
		atomic { w[slot] = succeed(w[slot], HOLE); hole = slot; slot = (slot + 1) % SLOTS; n++ }
#endif
	:: n >= SLOTS || cellOf(w[slot]) == EMPTY -> break
	od;
	atomic { w[hole] = succeed(w[hole], EMPTY); hole = 0; slot = 0; n = 0 }
}

inline release(cell) {
	stack[top] = cell;
	top++
}

inline sweep() {
	do
	:: atomic { s < SLOTS && !isCell(s) -> s++ }
	:: atomic { s < SLOTS && isCell(s) && where[cellOf(w[s]) - 1] == 0 -> where[cellOf(w[s]) - 1] = s + 1; s++ }
	:: atomic { s < SLOTS && isCell(s) && where[cellOf(w[s]) - 1] != 0 ->
		c = cellOf(w[s]) - 1;
		slot = where[c] - 1;
		if
		:: distance(slot, key[c]) < distance(s, key[c]) -> slot = s
		:: else -> where[c] = s + 1
		fi };
#ifndef BUG_SWEEP_UNCOUNTED
		moves++;
#endif
		atomic { w[slot] = succeed(w[slot], HOLE); slot = 0; c = 0; s++ }
	:: s >= SLOTS -> break
	od;
	s = 0;
	do
	:: atomic { s < SLOTS && cellOf(w[s]) != HOLE -> s++ }
	:: s < SLOTS && cellOf(w[s]) == HOLE -> close(s)
	:: s >= SLOTS -> break
	od;
	atomic { top = 0; s = 0; n = 0 };
	do
	:: atomic { s < fresh && where[s] != 0 -> n++; s++ }
	:: s < fresh && where[s] == 0 -> release(s); s++
	:: s >= fresh -> break
	od;
	atomic { count = n; s = 0; n = 0; where[0] = 0; where[1] = 0; where[2] = 0; where[3] = 0 }
}

/* whole is what everybody finds who takes the lock. */
inline whole() {
	d_step {
		s = 0; n = 0;
		do
		:: s < SLOTS ->
			assert(cellOf(w[s]) != HOLE);
			if :: isCell(s) -> where[cellOf(w[s]) - 1]++; n++ :: else fi;
			s++
		:: else -> break
		od;
		assert(count == n);
		s = 0;
		do :: s < top -> where[stack[s]]++; s++ :: else -> break od;
		s = 0;
		do :: s < CELLS -> assert(where[s] + (s >= fresh) == 1); where[s] = 0; s++ :: else -> break od;
		k = 1;
		do
		:: k <= KEYS ->
			find();
			assert(exists == there[k]);
			if :: exists -> assert(a[cellOf(w[slot]) - 1] == value[k]) :: else fi;
			k++
		:: else -> break
		od;
		s = 0; n = 0; slot = 0; k = 0; exists = false
	}
}

inline find() {
	slot = home(k); n = 0;
	do
	:: n < SLOTS && cellOf(w[slot]) != EMPTY && (cellOf(w[slot]) == HOLE || key[cellOf(w[slot]) - 1] != k) -> slot = (slot + 1) % SLOTS; n++
	:: else -> break
	od;
	exists = n < SLOTS && cellOf(w[slot]) != EMPTY;
	n = 0
}

inline publish() {
	atomic { old = cellOf(w[slot]); w[slot] = succeed(w[slot], c + 1); there[k] = true; value[k] = v }
}

inline store() {
	if
	:: atomic { top > 0 -> c = stack[top - 1] }; top--
	:: atomic { top == 0 -> c = fresh }; fresh++
	fi;
	atomic { values++; v = values };
#ifdef BUG_PUBLISH_FIRST
	publish();
#endif
	key[c] = k;
	a[c] = v;
	b[c] = v;
#ifndef BUG_PUBLISH_FIRST
	publish();
#endif
	if
	:: exists -> release(old - 1)
	:: !exists -> count++
	fi
}

inline delete() {
	atomic { old = cellOf(w[slot]); w[slot] = succeed(w[slot], HOLE); there[k] = false; deleted[k]++ };
	moves++;
	close(slot);
	count--;
	release(old - 1)
}

inline clear() {
	do
	:: atomic { s < SLOTS && !isCell(s) -> s++ }
	:: atomic { s < SLOTS && isCell(s) ->
		k = key[cellOf(w[s]) - 1];
#ifdef BUG_CLEAR_EMPTY
		w[s] = succeed(w[s], EMPTY);
#else
		w[s] = succeed(w[s], HOLE);
#endif
		there[k] = false; deleted[k]++; s++ }
	:: s >= SLOTS -> break
	od;
	s = 0;
	do
	:: atomic { s < SLOTS && cellOf(w[s]) != HOLE -> s++ }
	:: s < SLOTS && cellOf(w[s]) == HOLE -> w[s] = succeed(w[s], EMPTY)
	:: s >= SLOTS -> break
	od;
	s = 0;
	top = 0;
	fresh = 0;
	count = 0
}

proctype Writer(byte me) {
	byte round, s, slot, hole, n, c, k, v, old, where[CELLS];
	bool exists;
 {
	skip;
again:	atomic { lock == FREE -> lock = me; n = ownerDied; ownerDied = false };
	if
#ifndef BUG_NO_SWEEP
	:: atomic { n == 1 -> n = 0 }; sweep(); whole()
#endif
	:: else -> n = 0
	fi;
	if
	:: d_step { k = 1; find() }; store()
	:: d_step { k = 2; find() }; store()
	:: d_step { there[1] -> k = 1; find() }; delete()
#ifdef CLEAR
	:: clear()
#endif
	fi;
	atomic { k = 0; v = 0; c = 0; old = 0; slot = 0; exists = false };
	whole();
	atomic { lock = FREE; round++; if :: round < ROUNDS -> goto again :: else fi }
 } unless { dead[me] };
end:	false
}

proctype Reader() {
	byte m, s, n, v, before;
	short x;
	bool was;
	atomic { v = value[KEY]; before = deleted[KEY]; was = there[KEY] };
again:	atomic { m = moves; s = home(KEY); n = 0 };
probe:	if
	:: atomic { n == SLOTS -> goto missed }
	:: n < SLOTS -> x = w[s]
	fi;
	if
	:: atomic { cellOf(x) == EMPTY -> goto missed }
	:: atomic { cellOf(x) == HOLE -> skip }
	:: atomic { cellOf(x) != EMPTY && cellOf(x) != HOLE && key[cellOf(x) - 1] == KEY -> goto hit }
	:: cellOf(x) != EMPTY && cellOf(x) != HOLE && key[cellOf(x) - 1] != KEY ->
		if
		:: atomic { w[s] != x -> goto again }
		:: w[s] == x
		fi
	fi;
	atomic { s = (s + 1) % SLOTS; n++; goto probe };
hit:	n = a[cellOf(x) - 1];
	m = b[cellOf(x) - 1];
	if
	:: atomic { w[s] == x -> assert(n == m && n >= v && key[cellOf(x) - 1] == KEY) }; goto end
	:: atomic { w[s] != x -> goto again }
	fi;
missed:
#ifndef BUG_NO_MOVES
	if
	:: atomic { moves != m -> goto again }
	:: moves == m
	fi;
#endif
	assert(!was || deleted[KEY] != before);
end:	skip
}

proctype Death(byte t) {
end:	atomic { dead[t] = true; if :: lock == t -> lock = FREE; ownerDied = true :: else fi }
}

init {
	atomic {
		w[0] = 9; w[1] = 10; w[2] = 11;
		key[0] = 1; key[1] = 2; key[2] = 3;
		there[1] = true; there[2] = true; there[3] = true;
		count = 3; fresh = 3;
#ifdef START_BROKEN	/* a writer was killed who deleted key 1, and had begun to move key 2 up */
		w[0] = 26; moves = 1; there[1] = false; deleted[1] = 1; ownerDied = true;
#endif
		run Writer(0);
		run Writer(1);
		run Death(0);
#ifdef SWEEPER_DIES
		run Writer(2);
		run Death(1);
#endif
		run Reader()
	}
}
