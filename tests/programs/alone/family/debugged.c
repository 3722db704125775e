/* A debugger in small: it says which program its child has executed, before that has begun, and has it go on. */
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    int status;
    char path[64], line[1000], program[1000] = "nothing";
    pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        execlp("true", "true", (char *)NULL);
        _exit(2);
    }
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return 1;
    snprintf(path, sizeof path, "/proc/%d/maps", child);
    FILE *maps = fopen(path, "r");
    if (maps == NULL || fgets(line, sizeof line, maps) == NULL) return 3;
    sscanf(line, "%*s %*s %*s %*s %*s %999s", program);
    fclose(maps);
    printf("the child has executed %s\n", program);
    fflush(stdout);
    ptrace(PTRACE_CONT, child, NULL, NULL);
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 4;
    printf("it has ended with %d\n", WEXITSTATUS(status));
    return 0;
}
