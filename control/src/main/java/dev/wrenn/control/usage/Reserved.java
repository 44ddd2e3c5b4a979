package dev.wrenn.control.usage;

/**
 * What a team has reserved at one time, or the greatest of several times.
 *
 * @param running capsules that run or are being started
 * @param vcpus their virtual processors
 * @param memoryMb their memory in MiB, and half of that of each paused one, rounded up
 */
record Reserved(int running, int vcpus, long memoryMb) {
    static final Reserved NOTHING = new Reserved(0, 0, 0);
}
