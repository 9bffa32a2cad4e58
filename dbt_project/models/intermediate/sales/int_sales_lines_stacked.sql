with

lines as (
    select * from {{ ref('int_sales_lines_identified') }}
),

counted as (
    select
        line_id,
        load_id,
        file_row,
        invoiced_on,
        line_amount_net,
        customer_id,
        lower(coalesce(product_code, product_name, '')) as product,
        unit_price,
        {{ signed_pieces('quantity', 'line_amount_net') }} as signed_pieces
    from lines
    where customer_id is not null
),

priced as (
    select
        *,
        cast(
            abs(coalesce(unit_price, line_amount_net / signed_pieces)) as decimal(28, 6)
        ) as piece_price
    from counted
),

returned as (
    select distinct
        customer_id,
        product,
        piece_price
    from priced
    where signed_pieces < 0
),

final as (
    select priced.*
    from priced
    inner join returned
        on
            priced.customer_id = returned.customer_id
            and priced.product = returned.product
            and priced.piece_price = returned.piece_price
)

select * from final
