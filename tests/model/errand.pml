/*
 * Errands (vmm/x86_64/errand.c, guest/x86_64/stub.S): the VMM opens the gate of a vCPU's int3 to code of its
 * own, and waits for the word that says that it has run. Who executes the int3 is the stub, or a program
 * that should wait there and does not; it does so whenever it likes, also when nobody has asked, and the
 * vCPU may be kicked out between any two instructions of the code. Checked: what the VMM believes to be
 * done is done, and by this errand; if it was another root, nothing of the old address space runs.
 *
 * With BUG_OPEN (the code leaves the gate as it is) or BUG_LOST (after one that was given up there is
 * another before the vCPU has left) the model must fail.
 */
#define ERRANDS 4

byte gate; /* 0: a breakpoint; else to the code for that errand */
bool done;
bool effect[ERRANDS + 1];
bool root[ERRANDS + 1]; /* that kind; else page-table entries */
byte space; /* what CR3 is: the errand that set it, or 0 */
byte believed; /* what the VMM thinks it is: what an entry loads */
byte runs; /* how often the vCPU has left */
bool inside = true, claimed, finished;

/* The instructions of the code: next is the store or CR3; the gate; the word; nothing. */
mtype = { RING3, WORK, GATE, WORD };
mtype at = RING3;

inline leave()
{
	atomic {
		inside = false;
		at = RING3;
		runs++
	}
}

proctype vcpu()
{
	byte code;

end:	do
	:: atomic { inside && at == RING3 && gate -> code = gate; at = WORK } /* int3 */
	:: atomic { inside && at == RING3 && !gate -> leave() }
	:: inside && at == WORK ->
		effect[code] = true;
		if
		:: root[code] -> space = code
		:: else -> skip
		fi;
		at = GATE
	:: inside && at == GATE ->
#ifndef BUG_OPEN
		gate = 0;
#endif
		at = WORD
	:: inside && at == WORD -> done = true; at = RING3
	:: inside && runs < 3 -> leave() /* kicked */
	/* The thread waits for who has claimed the channel, then loads all. */
	:: atomic { !inside && !claimed && runs < 3 -> space = believed; inside = true }
	:: finished -> break
	od
}

proctype poller()
{
	byte e = 1, since;
	byte lost = 255; /* the run in which one was given up */

	do
	:: e > ERRANDS -> break
	:: runs == 3 && !inside -> break
	:: e <= ERRANDS && inside ->
		claimed = true;
		do
#ifdef BUG_LOST
		:: e <= ERRANDS ->
#else
		:: e <= ERRANDS && lost != runs ->
#endif
			since = runs;
			if
			:: root[e] = true
			:: root[e] = false
			fi;
			done = false;
			gate = e;
			if
			:: done ->
				assert(effect[e]);
				assert(!root[e] || space == e);
				if
				:: root[e] -> believed = e
				:: else -> skip
				fi
			:: lost = since /* it takes too long, or has left */
			fi;
			gate = 0;
			e++
		:: break
		od;
		claimed = false
	od;
	finished = true
}

init {
	atomic {
		run vcpu();
		run poller();
	}
}
