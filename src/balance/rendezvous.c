/* SPDX-License-Identifier: MIT */
/* Rendezvous hashing: which of several hosts of different weight has the best claim to a key. */
#include "balance/rendezvous.h"

/*
 * How it works. For each pair of key and host a number u is drawn by hashing, even over (0, 1); the
 * host whose -log(u) / weight is least wins. So each wins as often as its weight says, and whether
 * one beats the other does not depend on who else there is. Every machine and every release has to
 * come to the same winner: the logarithm is therefore taken in whole numbers, by a table with
 * straight lines between its entries. These lie at most 0.2 % beside the curve at the far end,
 * where it counts most, and one over 10,000 elsewhere.
 */

enum { FRACTION_BITS = 48, INDEX_BITS = 8 };

/* Binary logarithms of 1 + n/256, rounded, with 48 bits behind the point. */
/* clang-format off */
static const uint64_t logarithms[(1 << INDEX_BITS) + 1] = {
    0x0000000000000, 0x001709c46d7ab, 0x002dfca16dde1, 0x0044d8c45ea5f, 0x005b9e5a170b5,
    0x00724d8eea144, 0x0088e68ea899a, 0x009f6984a342d, 0x00b5d69bac77f, 0x00cc2dfe1a4a9,
    0x00e26fd5c8556, 0x00f89c4c1992a, 0x010eb389fa2a0, 0x0124b5b7e135a, 0x013aa2fdd27f2,
    0x01507b836033c, 0x01663f6fac913, 0x017beee96b8a3, 0x01918a16e4633, 0x01a7111df3485,
    0x01bc84240adac, 0x01d1e34e35b83, 0x01e72ec117fa6, 0x01fc66a0f0b01, 0x02118b119b4f4,
    0x02269c369120c, 0x023b9a32eaa57, 0x0250852960f4c, 0x02655d3c4f15c, 0x027a228db3515,
    0x028ed53f307ef, 0x02a375720f4b9, 0x02b803473f7ad, 0x02cc7edf59226, 0x02e0e85a9de05,
    0x02f53fd8fa0bc, 0x0309857a05e07, 0x031db95d06a57, 0x0331dba0efce2, 0x0345ec6464171,
    0x0359ebc5b69d9, 0x036dd9e2ebf2c, 0x0381b6d9bb29c, 0x039582c78ee1c, 0x03a93dc9864b3,
    0x03bce7fc76290, 0x03d0817ce9cd5, 0x03e40a672411e, 0x03f782d7204d0, 0x040aeae89341a,
    0x041e42b6ec0c0, 0x04318a5d550aa, 0x0444c1f6b4c2e, 0x0457e99daec24, 0x046b016ca47c2,
    0x047e097db6238, 0x049101eac381d, 0x04a3eacd6cc9a, 0x04b6c43f1366b, 0x04c98e58daca1,
    0x04dc4933a9338, 0x04eef4e828774, 0x0501918ec6c11, 0x05141f3fb753f, 0x05269e12f346e,
    0x05390e203a3ee, 0x054b6f7f1325b, 0x055dc246ccde3, 0x0570068e7ef5a, 0x05823c6d0a523,
    0x059463f919def, 0x05a67d4923353, 0x05b8887367433, 0x05ca858df2f06, 0x05dc74ae9fbed,
    0x05ee55eb146ab, 0x06002958c5871, 0x0611ef0cf6186, 0x0623a71cb82c9, 0x0635519ced70e,
    0x0646eea247c5c, 0x06587e4149d02, 0x066a008e4788d, 0x067b759d66c97, 0x068cdd829fd81,
    0x069e3851bdefc, 0x06af861e5fc7d, 0x06c0c6fbf8191, 0x06d1fafdce20b, 0x06e32236fe21a,
    0x06f43cba79e41, 0x07054a9b0932c, 0x07164beb4a56d, 0x072740bdb291f, 0x073829248e962,
    0x0749053202fca, 0x0759d4f80cba8, 0x076a98888193f, 0x077b4ff5108d9, 0x078bfb4f425ca,
    0x079c9aa879d53, 0x07ad2e11f456f, 0x07bdb59cca389, 0x07ce3159ef315, 0x07dea15a32c1b,
    0x07ef05ae409a0, 0x07ff5e66a0ffe, 0x080fab93b9327, 0x081fed45cbccc, 0x0830238cf9276,
    0x08404e793fb82, 0x08506e1a7c710, 0x086082806b1d5, 0x08708bbaa6be1, 0x088089d8a9e47,
    0x08907ce9cf0c0, 0x08a064fd50f2a, 0x08b042224af00, 0x08c01467b94bb, 0x08cfdbdc79921,
    0x08df988f4ae80, 0x08ef4a8ece5dd, 0x08fef1e987409, 0x090e8eaddb6ad, 0x091e20ea1393e,
    0x092da8ac5b9e8, 0x093d2602c2e60, 0x094c98fb3c8ab, 0x095c01a39fbd7, 0x096b6009a809c,
    0x097ab43af59f9, 0x0989fe450d9b8, 0x09993e355a4e5, 0x09a874192b83f, 0x09b79ffdb6c8b,
    0x09c6c1f017ae8, 0x09d5d9fd5010b, 0x09e4e83248571, 0x09f3ec9bcfb81, 0x0a02e7469c7a6,
    0x0a11d83f4c355, 0x0a20bf926410b, 0x0a2f9d4c5103a, 0x0a3e71796812c, 0x0a4d3c25e68dc,
    0x0a5bfd5df24bd, 0x0a6ab52d99e76, 0x0a7963a0d4f9a, 0x0a8808c384548, 0x0a96a4a1723c8,
    0x0aa5374652a1c, 0x0ab3c0bdc3581, 0x0ac241134c4ea, 0x0ad0b8525fc6b, 0x0adf26865a8a2,
    0x0aed8bba8420a, 0x0afbe7fa0f04d, 0x0b0a3b5018d88, 0x0b1885c7aa982, 0x0b26c76bb8cdf,
    0x0b35004723c46, 0x0b433064b7b7c, 0x0b5157cf2d078, 0x0b5f76912866d, 0x0b6d8cb53b0ca,
    0x0b7b9a45e2e31, 0x0b899f4d8ab64, 0x0b979bd68a62d, 0x0ba58feb2703b, 0x0bb37b95931ef,
    0x0bc15edfeed33, 0x0bcf39d448031, 0x0bdd0c7c9a817, 0x0bead6e2d03c5, 0x0bf89910c1679,
    0x0c06531034a70, 0x0c1404eadf384, 0x0c21aeaa651bc, 0x0c2f5058593d9, 0x0c3ce9fe3d9dc,
    0x0c4a7ba58377c, 0x0c5805578b6a5, 0x0c65871da59de, 0x0c73010111eb3, 0x0c80730b00016,
    0x0c8ddd448f8b8, 0x0c9b3fb6d0559, 0x0ca89a6ac2717, 0x0cb5ed69565b0, 0x0cc338bb6d1c1,
    0x0cd07c69d8702, 0x0cddb87d5ae72, 0x0ceaecfea8086, 0x0cf819f66474b, 0x0d053f6d26089,
    0x0d125d6b73fdc, 0x0d1f73f9c70c1, 0x0d2c8320898ab, 0x0d398ae817906, 0x0d468b58bf13a,
    0x0d53847ac00a7, 0x0d6076564c89a, 0x0d6d60f388e42, 0x0d7a445a8bc97, 0x0d8720935e643,
    0x0d93f5a5fc784, 0x0da0c39a54804, 0x0dad8a7847cb3, 0x0dba4a47aa997, 0x0dc7031044398,
    0x0dd3b4d9cf24b, 0x0de05fabf91b0, 0x0ded038e633f3, 0x0df9a088a2325, 0x0e0636a23e2ef,
    0x0e12c5e2b3241, 0x0e1f4e5170d03, 0x0e2bcff5dadb3, 0x0e384ad748f0e, 0x0e44befd06dac,
    0x0e512c6e54999, 0x0e5d9332667e8, 0x0e69f35065448, 0x0e764ccf6e290, 0x0e829fb693045,
    0x0e8eec0cda620, 0x0e9b31d93f98f, 0x0ea77122b2e31, 0x0eb3a9f019750, 0x0ebfdc484d953,
    0x0ecc08321eb31, 0x0ed82db4517db, 0x0ee44cd59ffab, 0x0ef0659cb99c5, 0x0efc781043579,
    0x0f088436d7ba5, 0x0f148a170700a, 0x0f2089b7572aa, 0x0f2c831e44116, 0x0f3876523f7c3,
    0x0f446359b1354, 0x0f504a3af71e2, 0x0f5c2afc65448, 0x0f6805a445f61, 0x0f73da38d9d4b,
    0x0f7fa8c057e9f, 0x0f8b7140edbb2, 0x0f9733c0bf5c2, 0x0fa2f045e7833, 0x0faea6d6779b6,
    0x0fba577877d7d, 0x0fc60231e7463, 0x0fd1a708bbe12, 0x0fdd4602e2a27, 0x0fe8df263f958,
    0x0ff47278ade8d, 0x1000000000000,
};
/* clang-format on */

uint64_t rendezvous_cost(uint64_t draw)
{
    draw += draw == 0; /* which has no logarithm */
    int n_zeros = __builtin_clzll(draw);
    uint64_t mantissa = draw << n_zeros << 1; /* without its leading bit */
    uint64_t index = mantissa >> (64 - INDEX_BITS);
    uint64_t rest = mantissa << INDEX_BITS >> 32;
    uint64_t low = logarithms[index], step = logarithms[index + 1] - low;
    /* step < 2^41, rest < 2^32: shifted beforehand, so that the product fits. */
    uint64_t logarithm = low + ((step >> 9) * rest >> (32 - 9));

    return ((uint64_t)(n_zeros + 1) << FRACTION_BITS) - logarithm;
}

bool rendezvous_is_better(const struct rendezvous_bid *bid, const struct rendezvous_bid *than)
{
    if (bid->weight == than->weight)
        return bid->draw > than->draw;
    /* A cost is at most 2^54 and a weight 2^8: products are exact. */
    uint64_t cost = rendezvous_cost(bid->draw) * than->weight;
    uint64_t than_cost = rendezvous_cost(than->draw) * bid->weight;
    return cost != than_cost ? cost < than_cost : bid->draw > than->draw;
}
