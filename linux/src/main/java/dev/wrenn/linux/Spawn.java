package dev.wrenn.linux;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import dev.wrenn.base.Forks;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Order for a program that outlives this process: own session, no inherited descriptors but its
 * standard ones and those it is given, explicit environment, and if asked another network namespace
 * and mounts that only it sees.
 *
 * @param arguments program, as an absolute path, and its arguments
 * @param environment its whole environment
 * @param output file that standard output and error are appended to
 * @param networkNamespace name under {@code /run/netns}
 * @param binds what it finds elsewhere too, in a mount namespace of its own: nobody else sees these
 *     mounts, and they are gone with the last process that does
 */
public record Spawn(
        List<String> arguments,
        Map<String, String> environment,
        Path output,
        Optional<String> networkNamespace,
        List<Bind> binds) {
    private static final Duration LIMIT = Duration.ofSeconds(20);

    // glibc 2.36 sysdeps and posix/spawn.h, x86-64; sizes are checked by LayoutTest.
    static final int POSIX_SPAWN_FILE_ACTIONS_BYTES = 80;
    static final int POSIX_SPAWNATTR_BYTES = 336;
    private static final short POSIX_SPAWN_SETSIGDEF = 0x04;
    private static final short POSIX_SPAWN_SETSIGMASK = 0x08;
    private static final short POSIX_SPAWN_SETSID = 0x80;
    static final int SIGSET_BYTES = 128;
    private static final int CLONE_NEWNET = 0x40000000;
    private static final int CLONE_NEWNS = 0x20000;
    static final long MS_NOSUID = 2;
    static final long MS_NODEV = 4;
    static final long MS_NOEXEC = 8;
    static final long MS_REMOUNT = 0x20;
    static final long MS_BIND = 0x1000;
    static final long MS_REC = 0x4000;
    static final long MS_PRIVATE = 0x40000;
    private static final int OWNER_ONLY = 0600;
    private static final int FIRST_INHERITED = 3;

    private static final MethodHandle POSIX_SPAWN =
            plain("posix_spawn", ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS);
    private static final MethodHandle ACTIONS_INIT =
            plain("posix_spawn_file_actions_init", ADDRESS);
    private static final MethodHandle ACTIONS_DESTROY =
            plain("posix_spawn_file_actions_destroy", ADDRESS);
    private static final MethodHandle ADD_OPEN =
            plain(
                    "posix_spawn_file_actions_addopen",
                    ADDRESS,
                    JAVA_INT,
                    ADDRESS,
                    JAVA_INT,
                    JAVA_INT);
    private static final MethodHandle ADD_DUP2 =
            plain("posix_spawn_file_actions_adddup2", ADDRESS, JAVA_INT, JAVA_INT);
    private static final MethodHandle ADD_CLOSEFROM =
            plain("posix_spawn_file_actions_addclosefrom_np", ADDRESS, JAVA_INT);
    private static final MethodHandle ATTR_INIT = plain("posix_spawnattr_init", ADDRESS);
    private static final MethodHandle ATTR_DESTROY = plain("posix_spawnattr_destroy", ADDRESS);
    private static final MethodHandle ATTR_SETFLAGS =
            plain("posix_spawnattr_setflags", ADDRESS, JAVA_SHORT);
    private static final MethodHandle ATTR_SETSIGMASK =
            plain("posix_spawnattr_setsigmask", ADDRESS, ADDRESS);
    private static final MethodHandle ATTR_SETSIGDEFAULT =
            plain("posix_spawnattr_setsigdefault", ADDRESS, ADDRESS);
    private static final MethodHandle SIGFILLSET = plain("sigfillset", ADDRESS);
    private static final MethodHandle SETNS =
            Libc.bind("setns", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));

    private static final MethodHandle UNSHARE =
            Libc.bind("unshare", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
    private static final MethodHandle MOUNT =
            Libc.bind(
                    "mount",
                    FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS));

    /**
     * A bind mount. Programs in it gain no rights from their owner.
     *
     * @param source file, socket or folder
     * @param target exists already, and is a folder if the source is one
     * @param use what it is good for, whatever the mount of the source allows
     */
    public record Bind(Path source, Path target, Use use) {
        /** What a mount is good for. */
        public enum Use {
            /** To be read and written. */
            DATA(MS_NOSUID | MS_NODEV | MS_NOEXEC),
            /** To run programs and use devices, too. */
            ROOT(MS_NOSUID);

            private final long flags;

            Use(long flags) {
                this.flags = flags;
            }
        }
    }

    /** Copies the collections. */
    public Spawn {
        arguments = List.copyOf(arguments);
        environment = Map.copyOf(environment);
        binds = List.copyOf(binds);
        if (arguments.isEmpty() || !arguments.getFirst().startsWith("/")) {
            throw new IllegalArgumentException("the program must be named by an absolute path");
        }
    }

    /** Without mounts of its own. */
    public Spawn(
            List<String> arguments,
            Map<String, String> environment,
            Path output,
            Optional<String> networkNamespace) {
        this(arguments, environment, output, networkNamespace, List.of());
    }

    /**
     * Starts it. Works on a platform thread of its own, because namespaces belong to a thread: the
     * thread ends with the call, so nothing else ever runs in them.
     *
     * @throws LinuxException if it cannot be started
     */
    public SpawnedProcess start() {
        return start(List.of());
    }

    /**
     * Starts it and gives it copies of those descriptors, numbered 3, 4, … in that order. The
     * caller keeps and closes its own.
     *
     * @throws LinuxException if it cannot be started
     */
    public SpawnedProcess start(List<Fd> inherited) {
        try (var forks = new Forks()) {
            return forks.startOnPlatformThread("spawn", () -> startHere(inherited)).take(LIMIT);
        }
    }

    private SpawnedProcess startHere(List<Fd> inherited) {
        try (var arena = Arena.ofConfined()) {
            networkNamespace.ifPresent(n -> enter(arena, n));
            if (!binds.isEmpty()) {
                makeMounts(arena);
            }
            var actions = arena.allocate(POSIX_SPAWN_FILE_ACTIONS_BYTES, 8);
            var attributes = arena.allocate(POSIX_SPAWNATTR_BYTES, 8);
            check("posix_spawn_file_actions_init", (int) ACTIONS_INIT.invokeExact(actions));
            try {
                describeFiles(arena, actions, inherited);
                check("posix_spawnattr_init", (int) ATTR_INIT.invokeExact(attributes));
                try {
                    describeAttributes(arena, attributes);
                    return spawn(arena, actions, attributes);
                } finally {
                    int _ = (int) ATTR_DESTROY.invokeExact(attributes);
                }
            } finally {
                int _ = (int) ACTIONS_DESTROY.invokeExact(actions);
            }
        } catch (RuntimeException e) {
            throw e;
        } catch (Throwable e) {
            throw Libc.impossible(e);
        }
    }

    private SpawnedProcess spawn(Arena arena, MemorySegment actions, MemorySegment attributes)
            throws Throwable {
        var pid = arena.allocate(JAVA_INT);
        var variables =
                environment.entrySet().stream().map(e -> e.getKey() + "=" + e.getValue()).toList();
        check(
                "posix_spawn of " + Path.of(arguments.getFirst()).getFileName(),
                (int)
                        POSIX_SPAWN.invokeExact(
                                pid,
                                arena.allocateFrom(arguments.getFirst()),
                                actions,
                                attributes,
                                strings(arena, arguments),
                                strings(arena, variables)));
        int number = pid.get(JAVA_INT, 0);
        // We are the parent and have not waited for it: the number cannot mean another process, and
        // even if it has ended already there is a zombie to identify.
        try {
            return new SpawnedProcess(ProcessIdentity.ofChild(number), Pidfd.open(number));
        } catch (RuntimeException e) {
            ProcessHandle.of(number).ifPresent(ProcessHandle::destroyForcibly);
            throw e;
        }
    }

    private void describeFiles(Arena arena, MemorySegment actions, List<Fd> inherited)
            throws Throwable {
        check(
                "posix_spawn_file_actions_addopen",
                (int)
                        ADD_OPEN.invokeExact(
                                actions, 0, arena.allocateFrom("/dev/null"), Fd.O_RDONLY, 0));
        check(
                "posix_spawn_file_actions_addopen",
                (int)
                        ADD_OPEN.invokeExact(
                                actions,
                                1,
                                arena.allocateFrom(output.toString()),
                                Fd.O_WRONLY | Fd.O_CREAT | Fd.O_APPEND,
                                OWNER_ONLY));
        check("posix_spawn_file_actions_adddup2", (int) ADD_DUP2.invokeExact(actions, 1, 2));
        // Two steps: a copy must not land on a number that is still to be copied.
        int end = FIRST_INHERITED + inherited.size();
        int spare = inherited.stream().mapToInt(Fd::number).reduce(end, Math::max) + 1;
        for (int i = 0; i < inherited.size(); i++) {
            duplicate(actions, inherited.get(i).number(), spare + i);
        }
        for (int i = 0; i < inherited.size(); i++) {
            duplicate(actions, spare + i, FIRST_INHERITED + i);
        }
        check(
                "posix_spawn_file_actions_addclosefrom_np",
                (int) ADD_CLOSEFROM.invokeExact(actions, end));
    }

    private static void duplicate(MemorySegment actions, int from, int to) throws Throwable {
        check("posix_spawn_file_actions_adddup2", (int) ADD_DUP2.invokeExact(actions, from, to));
    }

    /** The JVM blocks and handles signals; its children must start with none of that. */
    private static void describeAttributes(Arena arena, MemorySegment attributes) throws Throwable {
        var none = arena.allocate(SIGSET_BYTES, 8);
        var all = arena.allocate(SIGSET_BYTES, 8);
        check("sigfillset", (int) SIGFILLSET.invokeExact(all));
        check("setsigmask", (int) ATTR_SETSIGMASK.invokeExact(attributes, none));
        check("setsigdefault", (int) ATTR_SETSIGDEFAULT.invokeExact(attributes, all));
        short flags = (short) (POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        check("setflags", (int) ATTR_SETFLAGS.invokeExact(attributes, flags));
    }

    /** Puts this thread, which is used for one spawn only, into a namespace (setns(2)). */
    private static void enter(Arena arena, String name) {
        try (var namespace = Fd.open(Path.of("/run/netns", name), Fd.O_RDONLY)) {
            var state = Libc.state(arena);
            int result = (int) SETNS.invokeExact(state, namespace.number(), CLONE_NEWNET);
            if (result < 0) {
                throw new LinuxException("setns to " + name, Libc.errno(state));
            }
        } catch (RuntimeException e) {
            throw e;
        } catch (Throwable e) {
            throw Libc.impossible(e);
        }
    }

    /** Leaves the mounts that everybody sees (mount_namespaces(7)) and adds ours. */
    private void makeMounts(Arena arena) throws Throwable {
        var state = Libc.state(arena);
        int result = (int) UNSHARE.invokeExact(state, CLONE_NEWNS);
        if (result < 0) {
            throw new LinuxException("unshare of mounts", Libc.errno(state));
        }
        mount(arena, state, Path.of("none"), Path.of("/"), MS_REC | MS_PRIVATE);
        for (var bind : binds) {
            mount(arena, state, bind.source(), bind.target(), MS_BIND);
            long flags = MS_REMOUNT | MS_BIND | bind.use().flags;
            mount(arena, state, bind.source(), bind.target(), flags);
        }
    }

    private static void mount(
            Arena arena, MemorySegment state, Path source, Path target, long flags)
            throws Throwable {
        int result =
                (int)
                        MOUNT.invokeExact(
                                state,
                                arena.allocateFrom(source.toString()),
                                arena.allocateFrom(target.toString()),
                                MemorySegment.NULL,
                                flags,
                                MemorySegment.NULL);
        if (result < 0) {
            throw new LinuxException("mount on " + target.getFileName(), Libc.errno(state));
        }
    }

    private static MemorySegment strings(Arena arena, List<String> texts) {
        var array = arena.allocate(ADDRESS, texts.size() + 1L);
        for (int i = 0; i < texts.size(); i++) {
            array.setAtIndex(ADDRESS, i, arena.allocateFrom(texts.get(i)));
        }
        return array; // allocate() zeroes, so the last entry ends it
    }

    /** The posix_spawn family returns the error number instead of setting errno. */
    private static void check(String what, int error) {
        if (error != 0) {
            throw new LinuxException(what, error);
        }
    }

    private static MethodHandle plain(String name, java.lang.foreign.MemoryLayout... parameters) {
        return Libc.bindPlain(name, FunctionDescriptor.of(JAVA_INT, parameters));
    }
}
