/* Dynamic processes, on 2 ranks, which start 2 more of this program. Only under mana.
 *
 *   spawn -> the intercommunicator and its merger work, a checkpoint is refused -> disconnect -> a checkpoint is taken
 *   ports: the two ranks connect to each other; names are published and looked up; join over a socket
 *   mana_checkpoint() = 0, or 1 in the life that is restarted from there -> "ok"
 */
#include "check.h"
#include <mana.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

/* What both sides do over the intercommunicator between 2 and 2 processes. */
static void talk(MPI_Comm inter, int high) {
    int flag = 0, remote = 0, rank = -1, size = 0, sum = 0, got = -1, result = -1;
    MPI_Comm both, half, pair;
    MPI_Group all, local, other, common;
    MPI_Comm_test_inter(inter, &flag);
    MPI_Comm_remote_size(inter, &remote);
    MPI_Comm_rank(inter, &rank);
    CHECK(flag && remote == 2 && rank == check_rank);
    MPI_Sendrecv(&check_rank, 1, MPI_INT, rank, 1, &got, 1, MPI_INT, rank, 1, inter, MPI_STATUS_IGNORE);
    CHECK_INT(got, rank);

    CHECK_INT(MPI_Intercomm_merge(inter, high, &both), MPI_SUCCESS);
    MPI_Comm_size(both, &size);
    MPI_Comm_rank(both, &rank);
    CHECK(size == 4 && rank == check_rank + (high ? 2 : 0));
    MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, both);
    CHECK_INT(sum, 6);
    /* A matched receive and a nonblocking one. */
    MPI_Message message;
    MPI_Request request;
    MPI_Isend(&rank, 1, MPI_INT, (rank + 2) % 4, 5, both, &request);
    MPI_Mprobe((rank + 2) % 4, 5, both, &message, MPI_STATUS_IGNORE);
    MPI_Mrecv(&got, 1, MPI_INT, &message, MPI_STATUS_IGNORE);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    CHECK_INT(got, (rank + 2) % 4);

    /* Groups know who is who. */
    MPI_Comm_group(both, &all);
    MPI_Comm_group(MPI_COMM_WORLD, &local);
    MPI_Comm_remote_group(inter, &other);
    MPI_Group_intersection(local, other, &common);
    MPI_Group_size(common, &size);
    CHECK_INT(size, 0);
    if (common != MPI_GROUP_EMPTY) MPI_Group_free(&common);
    MPI_Group_union(local, other, &common);
    MPI_Group_compare(common, all, &result);
    CHECK_INT(result, high ? MPI_SIMILAR : MPI_IDENT);
    MPI_Group_free(&common);

    /* One process of each side, by group; a split across the sides. */
    int ends[2] = {0, 3};
    MPI_Group_incl(all, 2, ends, &common);
    CHECK_INT(MPI_Comm_create(both, common, &pair), MPI_SUCCESS);
    CHECK((pair != MPI_COMM_NULL) == (rank == 0 || rank == 3));
    if (pair != MPI_COMM_NULL) {
        MPI_Comm_size(pair, &size);
        CHECK_INT(size, 2);
        MPI_Comm_free(&pair);
    }
    MPI_Group_free(&common);
    MPI_Comm_split(both, rank % 2, rank, &half);
    MPI_Comm_size(half, &size);
    CHECK_INT(size, 2);
    MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, half);
    CHECK_INT(sum, 2 + 2 * (rank % 2));
    CHECK_INT(MPI_Comm_free(&half), MPI_SUCCESS);
    CHECK(half == MPI_COMM_NULL);
    MPI_Group_free(&all);
    MPI_Group_free(&local);
    MPI_Group_free(&other);
    CHECK_INT(MPI_Comm_free(&both), MPI_SUCCESS);
}

/* Rank 0 asks; the outcome is that of the whole job. */
static int checkpoint(void) {
    int outcome = -2;
    if (check_rank == 0) {
        outcome = mana_checkpoint();
        MPI_Send(&outcome, 1, MPI_INT, 1, 9, MPI_COMM_WORLD);
    } else {
        MPI_Recv(&outcome, 1, MPI_INT, 0, 9, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
    return outcome;
}

static int child(MPI_Comm parent) {
    int failures = 0;
    MPI_Comm again;
    talk(parent, 1);
    MPI_Allreduce(&check_failures, &failures, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    if (check_rank == 0) MPI_Send(&failures, 1, MPI_INT, 0, 7, parent);
    CHECK_INT(MPI_Comm_disconnect(&parent), MPI_SUCCESS);
    MPI_Comm_get_parent(&again);
    CHECK(again == MPI_COMM_NULL);
    MPI_Finalize();
    return check_failures != 0;
}

static void spawn(const char *program, int multiple) {
    MPI_Comm inter;
    MPI_Info info;
    char directory[1024], *arguments[] = {"child", "of mine", NULL};
    int codes[2] = {-1, -1}, failures = -1;
    MPI_Info_create(&info);
    MPI_Info_set(info, "wdir", getcwd(directory, sizeof directory));
    if (multiple) {
        char *commands[2] = {(char *)program, (char *)program}, **both[2] = {arguments, arguments};
        int numbers[2] = {1, 1};
        MPI_Info infos[2] = {info, MPI_INFO_NULL};
        CHECK_INT(MPI_Comm_spawn_multiple(2, commands, both, numbers, infos, 0, MPI_COMM_WORLD, &inter, codes),
                  MPI_SUCCESS);
    } else {
        CHECK_INT(MPI_Comm_spawn(program, arguments, 2, info, 0, MPI_COMM_WORLD, &inter, codes), MPI_SUCCESS);
    }
    CHECK(codes[0] == MPI_SUCCESS && codes[1] == MPI_SUCCESS);
    MPI_Info_free(&info);
    talk(inter, 0);
    CHECK_INT(checkpoint(), -1);
    if (check_rank == 0) {
        MPI_Recv(&failures, 1, MPI_INT, 0, 7, inter, MPI_STATUS_IGNORE);
        CHECK_INT(failures, 0);
    }
    CHECK_INT(MPI_Comm_disconnect(&inter), MPI_SUCCESS);
    CHECK(inter == MPI_COMM_NULL);
}

/* The two ranks of the job, each by itself, connect to each other. */
static void ports(void) {
    char port[MPI_MAX_PORT_NAME] = "", found[MPI_MAX_PORT_NAME] = "";
    MPI_Comm inter;
    int got = -1, remote = 0;
    if (check_rank == 0) {
        CHECK_INT(MPI_Open_port(MPI_INFO_NULL, port), MPI_SUCCESS);
        CHECK(strlen(port) > 0);
        CHECK_INT(MPI_Publish_name("mana-spawn-calls", MPI_INFO_NULL, port), MPI_SUCCESS);
        MPI_Send(port, sizeof port, MPI_CHAR, 1, 3, MPI_COMM_WORLD);
        CHECK_INT(MPI_Comm_accept(port, MPI_INFO_NULL, 0, MPI_COMM_SELF, &inter), MPI_SUCCESS);
    } else {
        MPI_Recv(port, sizeof port, MPI_CHAR, 0, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        CHECK_INT(MPI_Lookup_name("mana-spawn-calls", MPI_INFO_NULL, found), MPI_SUCCESS);
        CHECK(strcmp(port, found) == 0);
        CHECK_INT(MPI_Comm_connect(port, MPI_INFO_NULL, 0, MPI_COMM_SELF, &inter), MPI_SUCCESS);
    }
    MPI_Comm_remote_size(inter, &remote);
    CHECK_INT(remote, 1);
    MPI_Sendrecv(&check_rank, 1, MPI_INT, 0, 1, &got, 1, MPI_INT, 0, 1, inter, MPI_STATUS_IGNORE);
    CHECK_INT(got, 1 - check_rank);
    CHECK_INT(MPI_Comm_disconnect(&inter), MPI_SUCCESS);
    /* An open port has a name that would mean nothing after a restart. */
    CHECK_INT(checkpoint(), -1);
    if (check_rank == 0) {
        CHECK_INT(MPI_Unpublish_name("mana-spawn-calls", MPI_INFO_NULL, port), MPI_SUCCESS);
        CHECK_INT(MPI_Close_port(port), MPI_SUCCESS);
    }
}

/* A socket between the two ranks. */
static int connected_socket(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int first = socket(AF_INET, SOCK_STREAM, 0), number = 0, fd = first;
    if (check_rank == 0) {
        bind(first, (struct sockaddr *)&address, length);
        listen(first, 1);
        getsockname(first, (struct sockaddr *)&address, &length);
        number = address.sin_port;
        MPI_Send(&number, 1, MPI_INT, 1, 4, MPI_COMM_WORLD);
        fd = accept(first, NULL, NULL);
        close(first);
    } else {
        MPI_Recv(&number, 1, MPI_INT, 0, 4, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        address.sin_port = (in_port_t)number;
        CHECK_INT(connect(first, (struct sockaddr *)&address, length), 0);
    }
    CHECK(fd >= 0);
    return fd;
}

static void join(void) {
    MPI_Comm inter, both;
    int fd = connected_socket(), remote = 0, sum = 0;
    CHECK_INT(MPI_Comm_join(fd, &inter), MPI_SUCCESS);
    CHECK(inter != MPI_COMM_NULL);
    if (inter != MPI_COMM_NULL) {
        MPI_Comm_remote_size(inter, &remote);
        CHECK_INT(remote, 1);
        MPI_Intercomm_merge(inter, check_rank, &both);
        MPI_Allreduce(&check_rank, &sum, 1, MPI_INT, MPI_SUM, both);
        CHECK_INT(sum, 1);
        MPI_Comm_free(&both);
        MPI_Comm_disconnect(&inter);
    }
    close(fd);
}

int main(int argc, char **argv) {
    MPI_Comm parent, again;
    check_begin(&argc, &argv, 2);
    MPI_Comm_get_parent(&parent);
    if (parent != MPI_COMM_NULL) {
        CHECK(argc == 3 && strcmp(argv[1], "child") == 0 && strcmp(argv[2], "of mine") == 0);
        MPI_Comm_get_parent(&again);
        CHECK(again == parent);
        return child(parent);
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    if (argc == 1 || strstr(argv[1], "spawn")) spawn(argv[0], 0);
    if (argc == 1 || strstr(argv[1], "multiple")) spawn(argv[0], 1);
    if (argc == 1 || strstr(argv[1], "ports")) ports();
    if (argc == 1 || strstr(argv[1], "join")) join();
    int outcome = checkpoint();
    CHECK(outcome == 0 || outcome == 1);
    return check_end();
}
