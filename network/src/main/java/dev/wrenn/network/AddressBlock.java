package dev.wrenn.network;

import java.net.Inet4Address;

/**
 * The 1024 addresses of one pool: number 0 is the block's name, slot {@code i} has number {@code
 * i}, and the host itself speaks to all slots from number 1022.
 */
record AddressBlock(Cidr range) {
    static final int PREFIX_LENGTH = 22;
    static final int MAX_INDEX = 1020;
    private static final int HOST = 1022;

    AddressBlock {
        if (range.prefixLength() != PREFIX_LENGTH) {
            throw new IllegalArgumentException("not a block of 1024 addresses: " + range);
        }
    }

    /** The block that holds the address. */
    static AddressBlock around(Inet4Address member) {
        return new AddressBlock(Cidr.around(member, PREFIX_LENGTH));
    }

    /** How many blocks lie in the range. */
    static int countIn(Cidr range) {
        return 1 << (PREFIX_LENGTH - range.prefixLength());
    }

    /** The block number {@code index} of the range. */
    static AddressBlock of(Cidr range, int index) {
        return new AddressBlock(new Cidr(range.at(index << (32 - PREFIX_LENGTH)), PREFIX_LENGTH));
    }

    Inet4Address slotAddress(int index) {
        return range.at(index);
    }

    Inet4Address hostAddress() {
        return range.at(HOST);
    }

    @Override
    public String toString() {
        return range.toString();
    }
}
