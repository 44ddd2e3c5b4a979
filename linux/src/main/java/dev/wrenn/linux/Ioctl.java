package dev.wrenn.linux;

/** Request numbers of ioctl(2) as Linux include/uapi/asm-generic/ioctl.h composes them. */
final class Ioctl {
    private static final int WRITE = 1;
    private static final int READ = 2;

    private Ioctl() {}

    static long iow(int type, int number, long size) {
        return compose(WRITE, type, number, size);
    }

    static long ior(int type, int number, long size) {
        return compose(READ, type, number, size);
    }

    static long iowr(int type, int number, long size) {
        return compose(READ | WRITE, type, number, size);
    }

    private static long compose(int direction, int type, int number, long size) {
        return ((long) direction << 30) | (size << 16) | ((long) type << 8) | number;
    }
}
