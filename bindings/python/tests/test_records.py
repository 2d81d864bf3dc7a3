"""Records: numpy structured dtypes, checked against the ring."""

import datetime

import numpy as np
import pytest
import quoit

TICK = np.dtype([("time", "<u8"), ("price", "<f8"), ("size", "<u4"), ("side", "<u4")])


def test_a_record_goes_through_with_its_fields(name):
    with quoit.Producer.create(name, 8, TICK) as producer, quoit.Consumer.open(name, TICK) as consumer:
        producer.push((1, 2.5, 3, 4))
        record = consumer.pop()
        assert record.dtype == TICK
        assert record.tolist() == (1, 2.5, 3, 4)
        assert consumer.try_pop() is None


@pytest.mark.parametrize("dtype", ["u1", "<u2", "<i8", "<f4", "<f8", ">u4", "<c16", "V64", ("<u8", (8,))])
def test_every_byte_of_every_kind_goes_through(name, dtype):
    dtype = np.dtype(dtype)
    sent = np.frombuffer(bytes(range(256)) * 3, dtype.base)
    sent = sent.reshape(-1, *dtype.shape)
    with quoit.Producer.create(name, 8, dtype) as producer, quoit.Consumer.open(name, dtype) as consumer:
        got = bytearray()
        while producer.position < len(sent):
            rest = sent[producer.position :]
            pushed = producer.push_many(rest)
            assert pushed == min(8, len(rest))
            out = np.zeros(5, dtype)
            count = consumer.pop_many(out)
            assert count == min(5, pushed)
            got += out[:count].tobytes()
            while (one := consumer.try_pop()) is not None:
                got += np.asarray(one, dtype.base).tobytes()
        assert bytes(got) == sent.tobytes()


def test_positions_count_records(name):
    with quoit.Producer.create(name, 4, "u8") as producer, quoit.Consumer.open(name, "u8") as consumer:
        assert [producer.try_push(number) for number in range(5)] == [True] * 4 + [False]
        assert (producer.position, consumer.unread, consumer.capacity) == (4, 4, 4)
        assert consumer.skip(1) == 1
        assert consumer.skip_to_latest() == 2
        assert (consumer.pop(), consumer.position) == (3, 4)
        assert consumer.skip(7) == consumer.skip_to_latest() == 0


def test_a_batch_that_is_longer_than_the_known_room_finds_the_newest(name):
    with quoit.Producer.create(name, 8, "u8") as producer, quoit.Consumer.open(name, "u8") as consumer:
        out = np.zeros(8, "u8")
        for _ in range(20):
            assert producer.push_many(range(4)) == 4
            assert consumer.pop_many(out[:3]) == 3
            assert producer.try_push_many(range(9)) == 7
            assert consumer.pop_many(out) == 8 and list(out) == [3, *range(7)]


def test_what_is_no_whole_record_is_refused(name):
    with quoit.Producer.create(name, 4, "u8") as producer, quoit.Consumer.open(name, "u8") as consumer:
        with pytest.raises(TypeError, match="dtype"):
            consumer.pop_many(np.zeros(8, "u4"))
        with pytest.raises(ValueError, match="one or more whole records"):
            consumer.pop_many(np.zeros(0, "u8"))
        with pytest.raises(ValueError, match="9 bytes, and a record 8; pass a buffer"):
            consumer.pop_many(bytearray(9))
        with pytest.raises(BufferError):
            consumer.pop_many(b"12345678")
        with pytest.raises(ValueError, match="not one record"):
            producer.push([1, 2])
        with pytest.raises(OverflowError):
            producer.push(-1)
        assert producer.position == 0


def test_a_record_with_fields_is_a_tuple_or_of_that_dtype(name):
    with quoit.Producer.create(name, 8, TICK) as producer, quoit.Consumer.open(name, TICK) as consumer:
        for wrong in [5, 2.5, "5", [5, 6], [[1, 2, 3, 4]], [(1, 2.5, 3, 4), 5]]:
            for push in [producer.push, producer.try_push, producer.push_many, producer.push_all]:
                with pytest.raises(TypeError, match="a record is a tuple of the fields of"):
                    push(wrong)
        assert producer.position == 0
        array = np.array([(1, 2.5, 3, 4), (5, 6.5, 7, 8)], TICK)
        producer.push(array[0])
        producer.push((9, 1.5, 2, 3))
        producer.push_all([array[1], (1, 2, 3, 4)])
        producer.push_many(array)
        assert [consumer.pop().tolist()[0] for _ in range(6)] == [1, 9, 5, 1, 1, 5]


def test_records_that_are_arrays_of_tuples_come_in_lists(name):
    dtype = np.dtype((TICK, (2,)))
    pairs = [[(1, 2.5, 3, 4), (5, 6.5, 7, 8)], [(9, 1.5, 2, 3), (4, 2.5, 1, 2)]]
    with quoit.Producer.create(name, 8, dtype) as producer, quoit.Consumer.open(name, dtype) as consumer:
        producer.push_all(pairs)
        assert [consumer.pop().tolist() for _ in pairs] == pairs


def test_records_that_are_arrays_go_into_any_buffer_of_their_size(name):
    dtype = np.dtype(("<f4", (4,)))
    with quoit.Producer.create(name, 4, dtype) as producer, quoit.Consumer.open(name, dtype) as consumer:
        rows = np.arange(12, dtype="<f4").reshape(3, 4)
        producer.push_all(rows)
        out = bytearray(32)
        assert consumer.pop_many(out) == 2 and out == rows[:2].tobytes()
        for wrong in [np.zeros(4, "<f4"), np.zeros((2, 2), "<f4"), np.float32(0)]:
            with pytest.raises(TypeError, match="use numpy.empty"):
                consumer.pop_many(wrong)
        assert consumer.try_pop_many(memoryview(bytearray(16))) == 1


@pytest.mark.parametrize("dtype", ["O", [("a", "O")], "S0"])
def test_a_dtype_with_pointers_or_nothing_is_refused(name, dtype):
    with pytest.raises(TypeError, match="pointers, or no bytes"):
        quoit.create(name, 8, dtype)


def test_a_dtype_with_padding_is_refused(name):
    padded = np.dtype([("a", "u1"), ("b", "<u8")], align=True)
    with pytest.raises(TypeError, match="padding"):
        quoit.create(name, 8, padded)
    with pytest.raises(TypeError, match="padding"):
        quoit.create(name, 8, [("inner", padded), ("c", "<u8")])


@pytest.mark.parametrize(
    "dtype",
    [
        "g",  # of a long double, 10 bytes of 16 are set
        [("a", "g"), ("b", "u8")],
        ("G", (2,)),
        # As many bytes as the fields have together, two of them twice, and two not at all.
        {"names": ["a", "b"], "formats": ["<u4", "<u4"], "offsets": [0, 2], "itemsize": 8},
        {"names": ["a", "b"], "formats": ["<u4", "<u4"], "offsets": [0, 0], "itemsize": 4},
        {"names": ["a"], "formats": ["<u4"], "offsets": [4]},
        {"names": ["a", "b"], "formats": ["<u8", "u1"], "offsets": [0, 8], "itemsize": 16},
    ],
)
def test_a_byte_of_no_field_or_of_two_is_refused(name, dtype):
    with pytest.raises(TypeError, match="padding.* or fields that overlap"):
        quoit.create(name, 8, dtype)


def test_fields_may_be_in_any_order_and_nested(name):
    inner = np.dtype({"names": ["b", "a"], "formats": ["<u4", "<M8[ns]"], "offsets": [8, 0], "itemsize": 12})
    assert quoit.create(name, 8, inner).dtype == inner
    quoit.unlink(name)
    dtype = np.dtype([("inner", inner, (2,)), ("text", "S3"), ("wide", "U1"), ("flag", "?"), ("big", ">i8")])
    with quoit.Producer.create(name, 8, dtype) as producer, quoit.Consumer.open(name, dtype) as consumer:
        sent = np.frombuffer(bytes(range(2 * dtype.itemsize)), np.uint8).copy().view(dtype)
        assert producer.push_many(sent) == 2
        assert np.array(consumer.pop(), dtype).tobytes() == sent[:1].tobytes()
        with consumer.peek() as view:
            assert np.frombuffer(view, dtype).tobytes() == sent[1:].tobytes()


class Foreign:
    """An array of another library."""

    dtype = "torch.int32"

    def __array__(self, dtype=None, copy=None):
        return np.array(5, dtype)


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("u8", np.array([1.5])),
        ("u8", [1.5]),
        ("u8", 1.5),
        ("u8", np.array([-1])),
        ("u8", np.float64(2**64)),
        ("i4", np.array([2**40])),
        ("i4", np.array([np.nan])),
        ("i8", np.array([2**63], "u8")),
        ("?", 2),
        ("S4", b"hello"),
        ("U4", ["four", "hello"]),
        ("V4", b"hello"),
        ("V4", bytearray(b"four")),
        ("f8", np.array([1 + 2j])),
        ("f4", [np.complex128(1j)]),
        ("M8[ns]", np.datetime64("9999-01-01", "s")),
        ("M8[s]", np.array(["2020-01-01T00:00:00.5", "NaT"], "M8[ms]")),
        ("m8[s]", datetime.timedelta(milliseconds=1500)),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast", "ignore:Casting complex values")
def test_a_value_that_would_change_is_refused(name, dtype, values):
    with quoit.Producer.create(name, 8, dtype) as producer:
        for push in [producer.push_many, producer.try_push_many, producer.push_all]:
            with pytest.raises(ValueError, match="these values are no"):
                push(values)
        assert producer.position == 0


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("u8", np.array([1.0, 2.0]), [1, 2]),
        ("u8", np.arange(3), [0, 1, 2]),
        ("u8", [2**64 - 1], [2**64 - 1]),
        (">i4", range(-1, 1), [-1, 0]),
        ("f4", [0.5, 1e-60, 3], [0.5, 0, 3]),
        ("f8", np.arange(2, dtype="u8"), [0, 1]),
        ("f8", [1, True, 2**53], [1, 1, 2**53]),
        ("f8", 3, [3]),
        ("i4", Foreign(), [5]),
        ("V4", b"four", [np.void(b"four")]),
        ("V4", [b"be"], [np.void(b"be\0\0")]),
        ("M8[s]", ["2020-01-01", None], [np.datetime64("2020-01-01", "s"), np.datetime64("NaT", "s")]),
        ("m8[ms]", 5, [np.timedelta64(5, "ms")]),
        ("S4", ["four", b"be"], [b"four", b"be"]),
        ("?", [True, 0], [True, False]),
    ],
)
def test_other_values_are_converted(name, dtype, values, expected):
    with quoit.Producer.create(name, 8, dtype) as producer, quoit.Consumer.open(name, dtype) as consumer:
        producer.push_all(values)
        np.testing.assert_array_equal([consumer.pop() for _ in expected], expected)


def test_out_is_contiguous_and_can_be_written(name):
    with quoit.Producer.create(name, 8, "u8") as producer, quoit.Consumer.open(name, "u8") as consumer:
        producer.push_many(range(3))
        constant = np.zeros(8, "u8")
        constant.flags.writeable = False
        for out in [np.zeros(8, "u8")[::2], np.zeros(8, "u8")[::-1], np.zeros((4, 4), "u8").T[:2], constant]:
            with pytest.raises((ValueError, BufferError)):
                consumer.pop_many(out)
        with pytest.raises(TypeError, match="dtype >u8"):
            consumer.pop_many(np.zeros(8, ">u8"))
        with pytest.raises(ValueError, match="0 bytes"):
            consumer.pop_many(np.zeros(0, "u8"))
        assert consumer.unread == 3
        out = np.zeros((2, 2), "u8")
        assert consumer.pop_many(out) == 3 and out.tolist() == [[0, 1], [2, 0]]
        # What is pushed may lie anywhere.
        assert producer.push_many(np.arange(8, dtype="u8")[::-3]) == 3
        assert [consumer.pop() for _ in range(3)] == [7, 4, 1]


def test_size_alignment_and_tag_are_those_of_the_ring(name):
    quoit.create(name, 8, TICK, tag="tick/3")
    info = quoit.Observer(name).info
    assert (info.shape, info.slot_size, info.slot_align) == ("records", 24, 8)
    for wrong in [
        lambda: quoit.open(name, TICK),
        lambda: quoit.open(name, TICK, tag="tick/4"),
        lambda: quoit.open(name, TICK, tag="tick/3", align=4),
        lambda: quoit.open(name, "u8", tag="tick/3"),
        lambda: quoit.open(name),
        lambda: quoit.open_or_create(name, 16, TICK, tag="tick/3"),
    ]:
        with pytest.raises(quoit.Mismatch):
            wrong()
    assert quoit.open(name, TICK, tag="tick/3").capacity == 8


def test_fields_of_other_names_are_another_dtype(name):
    quoit.create(name, 8, TICK)
    with pytest.raises(quoit.Mismatch, match="tag"):
        quoit.open(name, [("time", "<u8"), ("cost", "<f8"), ("size", "<u4"), ("side", "<u4")])
    quoit.open(name, TICK)


def test_a_simple_dtype_has_the_schema_of_the_rust_type(name):
    # From src/layout.md: that of u64.
    quoit.create(name, 8, "u8")
    assert quoit.Observer(name).info.schema == 0xA5DA13404EF9A232


def test_packed_fields_are_aligned_to_one_byte(name):
    quoit.create(name, 8, [("a", "u1"), ("b", "<u8")])
    info = quoit.Observer(name).info
    assert (info.slot_size, info.slot_align) == (9, 1)


def test_push_all_waits_for_a_consumer_that_is_slower(name, peer):
    quoit.create(name, 4, "u8")
    consumer = peer(
        """
        with quoit.Consumer.open(sys.argv[1], "u8") as consumer:
            say("open")
            out, total, count = np.zeros(3, "u8"), 0, 0
            while count < 1000:
                n = consumer.pop_many(out)
                assert out[:n].tolist() == list(range(count, count + n))
                count += n
            say(count)
        """,
        name,
    )
    assert consumer.hear() == "open"
    with quoit.Producer.open(name, "u8") as producer:
        producer.push_all(np.arange(1000, dtype="u8"))
        assert consumer.hear() == "1000"
        consumer.end()


def test_the_calls_for_frames_refuse_records(name):
    with quoit.Producer.create(name, 8, "u8") as producer, quoit.Consumer.open(name, "u8") as consumer:
        producer.push(7)
        for use in [
            lambda: producer.push_frame(b"x"), lambda: producer.push_frames([b"x"]), consumer.pop_frame,
            lambda: consumer.pop_frames(9), lambda: consumer.frame_into(bytearray(99)),
        ]:
            with pytest.raises(TypeError, match="holds records"):
                use()
        assert (producer.position, consumer.pop()) == (1, 7)


def impossible(name, offset):
    with open(f"/dev/shm/{name}", "r+b") as file:
        file.seek(offset)
        file.write((1 << 40).to_bytes(8, "little"))


HEAD, TAIL = 8192, 4096


def test_a_producer_has_no_room_after_an_impossible_head(name):
    with quoit.Producer.create(name, 8, "u8") as producer:
        producer.push_many(np.arange(3, dtype="u8"))
        impossible(name, HEAD)
        for _ in range(3):
            with pytest.raises(quoit.Corrupt):
                producer.push_many(np.arange(6, dtype="u8"))
        assert producer.position == 3
        assert producer.corruption == ("head", 1 << 40)


def test_a_claim_is_not_published_after_an_impossible_head(name):
    with quoit.Producer.create(name, 8, "u8") as producer:
        claim = producer.claim(2)
        impossible(name, HEAD)
        with pytest.raises(quoit.Corrupt):
            producer.push_many(np.arange(9, dtype="u8"))
        with pytest.raises(quoit.Corrupt):
            claim.commit()
        with pytest.raises(quoit.Corrupt):
            producer.try_push(1)
        assert producer.position == 0


def test_a_peek_is_not_released_after_an_impossible_tail(name):
    with quoit.Producer.create(name, 8, "u8") as producer, quoit.Consumer.open(name, "u8") as consumer:
        producer.push(7)
        peek = consumer.peek()
        impossible(name, TAIL)
        with pytest.raises(quoit.Corrupt):
            consumer.try_pop()
        with pytest.raises(quoit.Corrupt):
            peek.release()
        assert consumer.position == 0
        assert consumer.corruption == ("tail", 1 << 40)
