/*
 * The terminal that vmbox runs on: its attributes are the user's, and are given back.
 *
 * The guest sets attributes on the host's terminal itself, so that line editors work. What they
 * were before is kept here from host_tty_init() on and put back when vmbox ends, crashes or stops;
 * only SIGKILL cannot be helped. Nothing is touched while vmbox is in the background of the user's
 * shell. No lock: init comes before all threads, suspend and resume are the reactor thread's, and
 * restore is safe in a signal handler.
 */
#ifndef VMBOX_HOST_TTY_H
#define VMBOX_HOST_TTY_H

/* Remembers the first of descriptors 0, 1 and 2 that is a terminal, and its attributes; from now on
 * a crash gives them back, too. Before other handlers of SIGSEGV and its kin are installed. */
void host_tty_init(void);
/* Puts the attributes back if vmbox is in the foreground. Any thread; errno is kept. */
void host_tty_restore(void);
/*
 * Stops vmbox as ^Z stops any program, with the terminal as it was before, and returns when it goes
 * on. Where nobody could continue it (an orphaned process group) it returns at once. SIGTSTP is
 * blocked by the caller.
 */
void host_tty_suspend(void);
/* vmbox was continued: in the foreground, the guest's attributes are set again. */
void host_tty_resume(void);

#endif
