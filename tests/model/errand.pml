/*
 * Errands (vmm/x86_64/errand.c, guest/x86_64/stub.S): the VMM writes code, opens the gate of a vCPU's int3
 * to it, and waits for the number that says that it has run. Who executes the int3 is the stub, or a program
 * that should wait there and does not; it does so whenever it likes, while the gate is open also twice, and the
 * vCPU may be kicked out between any two instructions of the code. Checked: what the VMM believes to be
 * done is done, and by this errand; if it was another root, nothing of the old address space runs.
 *
 * With BUG_PLACE (each is written where the last one was) or BUG_LOST (after one that was given up there
 * is another before the vCPU has left) the model must fail.
 */
#define ERRANDS 5
#ifdef BUG_PLACE
#define PLACE(e) 0
#else
#define PLACE(e) ((e) % 2)
#endif

byte gate = 255; /* a breakpoint; else the place of the code */
byte code[2]; /* whose it is, in each place */
byte done; /* the number of the last one */
bool effect[ERRANDS + 1];
bool root[ERRANDS + 1]; /* that kind; else page-table entries */
byte space; /* what CR3 is: the errand that set it, or 0 */
byte believed; /* what the VMM thinks it is: what an entry loads */
byte runs; /* how often the vCPU has left */
bool inside = true, claimed, finished;

/* The instructions of the code: next is the store or CR3; the number; nothing. */
mtype = { RING3, WORK, WORD };
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
	byte place;

end:	do
	:: atomic { inside && at == RING3 && gate < 2 -> place = gate; at = WORK } /* int3 */
	:: atomic { inside && at == RING3 && gate == 255 -> leave() }
	:: atomic { inside && at == WORK ->
		effect[code[place]] = true;
		if
		:: root[code[place]] -> space = code[place]
		:: else -> skip
		fi;
		at = WORD }
	:: atomic { inside && at == WORD -> done = code[place]; at = RING3 }
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
			code[PLACE(e)] = e;
			gate = PLACE(e);
			if
			:: done == e ->
				assert(effect[e]);
				assert(!root[e] || space == e);
				if
				:: root[e] -> believed = e
				:: else -> skip
				fi
			:: lost = since /* it takes too long, or has left */
			fi;
			gate = 255;
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
