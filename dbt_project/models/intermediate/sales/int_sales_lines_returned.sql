with

lines as (
    select * from {{ ref('int_sales_lines_stacked') }}
),

marked as (
    select
        *,
        signed_pieces < 0 as is_return
    from lines
),

-- A return takes back the newest pieces first (last in, first out). The height of the stack after
-- each line is the running sum; of a purchase there is left what lies between the height before it
-- and the lowest height from then on. A return without an earlier purchase lowers both, so that it
-- takes nothing from what is bought later. On one day purchases come before returns.
stacked as (
    select
        *,
        sum(signed_pieces) over (
            partition by customer_id, product, piece_price
            order by invoiced_on asc, is_return asc, load_id asc, file_row asc
            rows between unbounded preceding and current row
        ) as height
    from marked
),

-- Below the lowest height so far there is nothing left to take.
lowest as (
    select
        *,
        least(0, coalesce(min(height) over (
            partition by customer_id, product, piece_price
            order by invoiced_on asc, is_return asc, load_id asc, file_row asc
            rows between unbounded preceding and 1 preceding
        ), 0)) as ground,
        min(height) over (
            partition by customer_id, product, piece_price
            order by invoiced_on asc, is_return asc, load_id asc, file_row asc
            rows between current row and unbounded following
        ) as lowest_height
    from stacked
),

remaining as (
    select
        *,
        greatest(
            0, least(signed_pieces, lowest_height - (height - signed_pieces))
        ) as remaining_pieces,
        case
            when is_return then greatest(0, height - signed_pieces - greatest(height, ground))
            else 0
        end as taken_pieces
    from lowest
),

final as (
    select
        line_id,
        cast(remaining_pieces as decimal(28, 6)) as remaining_quantity,
        cast(taken_pieces as decimal(28, 6)) as taken_quantity,
        cast(case
            when remaining_pieces = signed_pieces then line_amount_net
            else remaining_pieces * piece_price
        end as decimal(28, 6)) as uncredited_amount
    from remaining
)

select * from final
