/*
 * The channel's protocol (vmm/channel.c, guest/x86_64/stub_channel.S): a vCPU that runs two tasks in
 * turn, each with a few system calls; a poller; kicks at any moment. Checked: every call is run
 * exactly once and gets its own result, by the poller or by the vCPU's thread; nobody touches a task that is
 * another's at the moment; nobody waits for ever.
 *
 * With HOSTILE the guest writes to the page whatever it likes. Then it may lose its own calls, but
 * a handler still runs only for the task that is in the guest, and only while its owner waits.
 * With BUG_NO_RECHECK or BUG_NO_WAIT the model must fail: that is how we know that it looks.
 *
 * Memory is sequentially consistent here. The code needs that only of `hold`; the page's state is
 * stored last by whoever writes (release, and x86's order in the stub).
 */
#define CALLS 4 /* of both tasks: the first half is task 0's */

mtype = { SHUT, OPEN, CLAIMED, CLAIMED_WAITED };
mtype = { NONE, DECLINED, ANSWERED, DONE, STARTED };

/* The host's. */
mtype hold = SHUT;
mtype outcome = NONE;
byte task;
byte result;
bool sleeping; /* the vCPU's thread, on the futex */

/* The page. */
bool request;
byte page_nr, page_result;
bool page_exit;

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
	request = false;
	page_exit = false;
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

proctype vcpu()
{
	byte nr = 0;
	bool posted, in_guest;

	do
	:: nr == CALLS -> break
	:: else ->
		/* Another task, or the same one again. */
		task = TASK_OF(nr);
		open_channel();
		in_guest = true;
		do
		:: !in_guest || nr == CALLS || TASK_OF(nr) != task -> break
		:: else ->
			posted = false;
			if
			:: in_guest = false /* kicked, or not asked */
			:: page_nr = nr; request = true; posted = true
			fi;
			/* The stub waits. */
			do
			:: posted && in_guest && !request ->
				if
				:: in_guest = false /* kicked, now that it is answered */
				:: page_exit -> in_guest = false
				:: !page_exit ->
#ifndef HOSTILE
					assert(page_result == nr);
					assert(runs[nr] == 1);
#endif
					nr++;
					break
				fi
			:: posted && in_guest && request -> in_guest = false /* kicked, or tired of it */
			:: posted && in_guest && request -> skip
			:: !in_guest -> break
			od
		od;
		/* It may have been kicked in the program, too. */
		shut_channel();
		if
		:: in_guest -> skip
		:: !in_guest && (!posted || request || outcome == NONE || outcome == DECLINED) ->
			run_call(nr, task);
			nr++
		:: !in_guest && posted && !request && (outcome == ANSWERED || outcome == DONE) ->
#ifndef HOSTILE
			assert(result == nr);
#endif
			nr++
		:: !in_guest && posted && !request && outcome == STARTED ->
			/* Goes on with what the poller has begun. */
			nr++
		fi
	od;
	finished = true
}

proctype poller()
{
	byte nr, who;

end:	do
	:: request ->
		if
		:: atomic { hold == OPEN -> hold = CLAIMED };
			if
#ifdef BUG_NO_RECHECK
			:: true ->
#else
			:: request ->
#endif
				nr = page_nr;
				who = task;
				if
				:: outcome = DECLINED
				:: run_call(nr, who);
					assert(!owner_busy && task == who);
					result = nr;
					if
					:: outcome = ANSWERED
					:: outcome = DONE
					:: outcome = STARTED
					fi
				fi;
				page_result = result;
				page_exit = (outcome != ANSWERED);
				request = false
#ifndef BUG_NO_RECHECK
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

#ifdef HOSTILE
proctype scribbler()
{
	byte n = 0;

	do
	:: n < 4 -> n++;
		if
		:: request = true
		:: request = false
		:: page_exit = !page_exit
		:: page_nr = n
		fi
	:: finished || n == 4 -> break
	od
}
#endif

init {
	atomic {
		run vcpu();
		run poller();
#ifdef HOSTILE
		run scribbler();
#endif
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
