/**
 * What a guest boots from: kernel, initrd and root file system, each made once and kept under a
 * name that follows from its content.
 */
@NullMarked
package dev.wrenn.host.image;

import org.jspecify.annotations.NullMarked;
