/** Virtual machine monitors behind one seam. */
@NullMarked
package dev.wrenn.vmm;

import org.jspecify.annotations.NullMarked;
