package dev.wrenn.control.socket;

/** Makes of chunks of bytes what a JSON text can hold. Used by one thread. */
interface Output {
    /** What can be told of this chunk and those before it. */
    String decode(byte[] chunk);

    /** What is left when no more bytes come. */
    String end();
}
