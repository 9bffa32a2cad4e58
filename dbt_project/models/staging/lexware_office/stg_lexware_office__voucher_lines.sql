with

voucher_lines as (
    {{ current_records(source('raw_lexware_office', 'voucher_lines'), ['voucher_id', 'position']) }}
),

final as (
    select
        voucher_id || ':' || position as line_id,
        voucher_id,
        cast(position as bigint) as line_position,
        {{ cleaned_text('name') }} as product_name,
        {{ cleaned_text('unit_name') }} as unit,
        {{ parse_decimal('quantity', '_decimal_mark') }} as quantity,
        {{ parse_decimal('unit_net_amount', '_decimal_mark') }} as unit_price,
        coalesce({{ parse_decimal('discount_percentage', '_decimal_mark') }}, 0)
            as discount_percentage,
        {{ parse_decimal('line_item_amount', '_decimal_mark') }} as line_amount,
        {{ parse_decimal('tax_rate', '_decimal_mark') }} as tax_rate,
        upper({{ cleaned_text('currency') }}) as currency,
        _load_id as load_id
    from voucher_lines
    where type <> 'text'
)

select * from final
