with

lines as (
    select * from {{ ref('int_sales_lines_identified') }}
),

-- The amount decides on the direction. A line with an amount alone is one piece at that price.
counted as (
    select
        line_id,
        load_id,
        file_row,
        invoiced_on,
        line_amount_net,
        coalesce(customer_id, line_id) as buyer,
        lower(coalesce(product_code, product_name, '')) as product,
        coalesce(nullif(abs(quantity), 0), 1) as pieces,
        case
            when line_amount_net < 0 or (line_amount_net = 0 and quantity < 0) then -1 else 1
        end as direction,
        unit_price
    from lines
),

priced as (
    select
        *,
        cast(direction * pieces as decimal(28, 6)) as signed_pieces,
        cast(abs(coalesce(unit_price, line_amount_net / pieces)) as decimal(28, 6)) as piece_price
    from counted
),

-- A return takes back the newest pieces first (last in, first out). The height of the stack after
-- each line is the running sum; of a purchase there is left what lies between the height before it
-- and the lowest height from then on. A return without an earlier purchase lowers both, so that it
-- takes nothing from what is bought later. On one day purchases come before returns.
stacked as (
    select
        *,
        sum(signed_pieces) over (
            partition by buyer, product, piece_price
            order by invoiced_on, direction desc, load_id, file_row
            rows between unbounded preceding and current row
        ) as height
    from priced
),

lowest as (
    select
        *,
        min(height) over (
            partition by buyer, product, piece_price
            order by invoiced_on, direction desc, load_id, file_row
            rows between current row and unbounded following
        ) as lowest_height
    from stacked
),

remaining as (
    select
        *,
        greatest(
            0, least(signed_pieces, lowest_height - (height - signed_pieces))
        ) as remaining_pieces
    from lowest
),

final as (
    select
        line_id,
        cast(remaining_pieces as decimal(28, 6)) as remaining_quantity,
        cast(case
            when remaining_pieces = signed_pieces then line_amount_net
            else remaining_pieces * piece_price
        end as decimal(28, 6)) as uncredited_amount
    from remaining
)

select * from final
