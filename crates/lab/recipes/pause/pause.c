/* Process 1 of a pod: holds its namespaces, reaps orphans, ends when told to. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

int main(void) {
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGCHLD);
	/* Blocked signals stay pending until sigwait takes them: none is lost, and process 1 has no default action for them anyway. */
	if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0)
		return EXIT_FAILURE;
	for (;;) {
		int signal;
		if (sigwait(&signals, &signal) != 0)
			continue;
		if (signal != SIGCHLD)
			return EXIT_SUCCESS;
		while (waitpid(-1, NULL, WNOHANG) > 0) {
		}
	}
}
