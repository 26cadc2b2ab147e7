/*
 * The channel's protocol (vmm/channel.c, guest/x86_64/stub_channel.S): a vCPU that runs two tasks in
 * turn, each with a few system calls; a poller; kicks at any moment. Checked: every call is run
 * exactly once and gets its own result, by the poller or by the vCPU's thread; nobody touches a task that is
 * another's at the moment; nobody waits for ever.
 *
 * A call may end in registers handed over: then the poller ends the task's turn in the guest, and gives the
 * vCPU the next task by a frame (the next call's task, here), takes it out with that one, or leaves it
 * without any for a while.
 *
 * With HOSTILE the guest writes to the page whatever it likes, when it likes, and runs on where it
 * should wait: with its task, or without one. Then it may lose its own calls, but a handler still runs only
 * for the task that is in the guest, and only while its owner waits; nobody is stood in for who was not
 * asked for its registers, nor twice; and a task that is another process's does not wait for
 * the program.
 * With BUG_NO_RECHECK, BUG_NO_WAIT, BUG_TAKEN (who was to leave still asks, and for the next task) or
 * BUG_UNASKED (whoever says that its registers are saved is believed) the model must fail: that is how we know
 * that it looks.
 *
 * Memory is sequentially consistent here. The code needs that only of `hold`; the page's state is
 * stored last by whoever writes (release, and x86's order in the stub).
 */
#define CALLS 4 /* of both tasks: the first half is task 0's */
#define FORGED 2 /* words that the program writes to the page by itself */

mtype = { SHUT, OPEN, CLAIMED, CLAIMED_WAITED };
mtype = { NONE, DECLINED, ANSWERED, DONE, STARTED, FRAME, TAKEN, GONE };

/* The host's. */
mtype hold = SHUT;
mtype outcome = NONE;
#define NOBODY 2
byte task;
byte next_call; /* of all calls: whose turn it is */
byte result;
bool asked; /* the stub has been told to save */
bool sleeping; /* the vCPU's thread, on the futex */

/* The page. */
mtype = { IDLE, REQUEST, SAVED, PARKED };
mtype state = IDLE;
byte page_nr, page_result;
bool page_exit, page_save; /* the answer: leave; save and ask on */

byte runs[CALLS];
bool owner_busy; /* the vCPU's thread works on the task itself */
bool finished;

#define TASK_OF(nr) ((nr) / (CALLS / 2))

inline run_call(nr, who)
{
	assert(task == who);
#ifndef HOSTILE
	assert(TASK_OF(nr) == who);
	assert(runs[nr] == 0);
#endif
	if
	:: nr < CALLS -> runs[nr]++
	:: else -> skip
	fi
}

inline open_channel()
{
	outcome = NONE;
	state = IDLE;
	page_exit = false;
	page_save = false;
	asked = false;
	owner_busy = false;
	hold = OPEN
}

inline shut_channel()
{
	do
	:: atomic { hold == OPEN -> hold = SHUT }; break
#ifdef BUG_NO_WAIT
	:: hold != OPEN -> break
#else
	:: atomic { hold == CLAIMED -> hold = CLAIMED_WAITED }
	:: atomic { hold == CLAIMED_WAITED -> sleeping = true }; !sleeping
#endif
	od;
	owner_busy = true
}

/* Where a kick finds the stub: in the program, behind a request, behind the registers' handing over. */
mtype = { PROGRAM, POSTED, HANDED };

proctype vcpu()
{
	byte nr, forged = 0;
	mtype at;
	bool in_guest;

	do
	:: next_call == CALLS -> break
	:: else ->
		/* Another task, or the same one again. */
		task = TASK_OF(next_call);
		open_channel();
		in_guest = true;
		at = PROGRAM;
		do
		:: !in_guest -> break
		:: in_guest && at == PROGRAM ->
			/* The registers say which program it is, and how far. */
			nr = next_call;
			if
			:: nr == CALLS -> in_guest = false
			:: in_guest = false /* kicked */
			:: nr < CALLS -> page_nr = nr; state = REQUEST; at = POSTED
			fi
		:: in_guest && at == POSTED && state != REQUEST ->
			if
			:: in_guest = false /* kicked, now that it is answered */
			:: page_save -> /* it saves; a kick in between is the same as now */
				if
				:: in_guest = false
				:: state = SAVED; at = HANDED
				fi
			:: !page_save && page_exit -> in_guest = false
			:: !page_save && !page_exit ->
#ifndef HOSTILE
				assert(page_result == nr);
				assert(runs[nr] == 1);
#endif
				next_call = nr + 1;
				at = PROGRAM;
				/* The next call may be the other task's: then this one's slice is over. */
				if
				:: next_call < CALLS && TASK_OF(next_call) != TASK_OF(nr) ->
					in_guest = false
				:: else -> skip
				fi
			fi
		:: in_guest && at == POSTED && state == REQUEST -> in_guest = false /* kicked, or tired */
#ifdef HOSTILE
		:: in_guest && at != PROGRAM -> at = PROGRAM /* it does not wait */
		:: in_guest && forged < FORGED ->
			forged++;
			if
			:: state = REQUEST; page_nr = forged
			:: state = SAVED
			:: state = PARKED
			fi
#endif
		:: in_guest && at == HANDED && state == IDLE ->
			if
			:: in_guest = false /* kicked before the frame is loaded */
			:: page_exit -> in_guest = false
			:: !page_exit -> at = PROGRAM /* the frame */
			fi
		:: in_guest && at == HANDED && (state == SAVED || state == PARKED) ->
			in_guest = false /* kicked, or tired */
		od;
		shut_channel();
		if
		:: outcome == TAKEN || outcome == GONE -> skip /* the old task is whole */
		:: outcome == FRAME && at == HANDED -> skip /* the new one is: it has not moved */
		:: else ->
			if
			:: at == PROGRAM -> skip
			:: at != PROGRAM && (state == REQUEST || outcome == NONE || outcome == DECLINED ||
					     outcome == FRAME) ->
				run_call(nr, task);
				next_call = nr + 1
			:: at != PROGRAM && state != REQUEST && (outcome == ANSWERED || outcome == DONE) ->
#ifndef HOSTILE
				assert(result == nr);
#endif
				next_call = nr + 1
			:: at != PROGRAM && state != REQUEST && outcome == STARTED ->
				/* Goes on with what the poller has begun. */
				next_call = nr + 1
			fi
		fi
	od;
	finished = true
}

/* Does as the vCPU's thread would with the task whose registers are in the page. */
inline stand_in()
{
	assert(!owner_busy);
	if
	:: outcome == GONE -> assert(task == NOBODY)
	:: outcome != GONE ->
		assert(asked && task != NOBODY);
		asked = false;
		nr = page_nr;
#ifndef HOSTILE
		assert(task == TASK_OF(nr) && nr == next_call);
#endif
		if
		:: outcome == DECLINED -> run_call(nr, task)
		:: else -> skip
		fi;
		if
		:: next_call < CALLS -> next_call = next_call + 1
		:: else -> skip
		fi
	fi;
	if
	:: next_call < CALLS -> task = TASK_OF(next_call); outcome = FRAME; page_exit = false; state = IDLE
	:: next_call < CALLS -> outcome = TAKEN; page_exit = true;
#ifdef BUG_TAKEN
		task = TASK_OF(next_call);
#else
		task = NOBODY;
#endif
		state = IDLE
	:: task = NOBODY; outcome = GONE; state = PARKED
	fi
}

proctype poller()
{
	byte nr, who;

end:	do
	:: state == REQUEST || state == SAVED || state == PARKED ->
		if
		:: atomic { hold == OPEN -> hold = CLAIMED };
			if
#ifdef BUG_NO_RECHECK
			:: true ->
#else
			:: state == REQUEST && task != NOBODY ->
#endif
				assert(outcome != TAKEN && outcome != GONE);
				nr = page_nr;
				who = task;
				page_save = false;
				if
				:: outcome = DECLINED; page_exit = true
				:: outcome = DECLINED; page_exit = true; page_save = true
				:: run_call(nr, who);
					assert(!owner_busy && task == who);
					result = nr;
					if
					:: outcome = ANSWERED; page_exit = false
					:: outcome = DONE; page_exit = true; page_save = true
					:: outcome = STARTED; page_exit = true; page_save = true
					:: outcome = STARTED; page_exit = true
					fi
				fi;
				page_result = result;
				asked = page_save;
				state = IDLE
#ifndef BUG_NO_RECHECK
#ifdef BUG_UNASKED
			:: state == SAVED && (outcome == DECLINED || outcome == DONE || outcome == STARTED) ->
#else
			:: state == SAVED && asked ->
#endif
				stand_in()
			:: state == PARKED && outcome == GONE -> stand_in()
			:: else -> skip
#endif
			fi;
			atomic {
				if
				:: hold == CLAIMED_WAITED -> sleeping = false
				:: else -> skip
				fi;
				hold = OPEN
			}
		:: hold != OPEN -> skip
		fi
	:: finished -> break
	od
}

init {
	atomic {
		run vcpu();
		run poller();
	}
	finished;
	byte i = 0;
#ifndef HOSTILE
	do
	:: i < CALLS -> assert(runs[i] == 1); i++
	:: else -> break
	od
#endif
}
