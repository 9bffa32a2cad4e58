with

lines as (
    select * from {{ source('raw_sales_list', 'lines') }}
),

parsed as (
    select
        _load_id || ':' || cast(_row as {{ dbt.type_string() }}) as line_id,
        _load_id as load_id,
        _file as file_name,
        _row as file_row,
        {{ cleaned_text('invoice_number') }} as document_number,
        document_kind,
        {{ parse_date('date', '_date_order') }} as invoiced_on,
        {{ cleaned_text('customer_number') }} as customer_number,
        {{ cleaned_text('customer_name') }} as customer_name,
        lower({{ cleaned_text('email') }}) as email,
        {{ cleaned_text('product_code') }} as product_code,
        {{ cleaned_text('product') }} as product_name,
        upper({{ cleaned_text('currency') }}) as currency,
        {{ parse_decimal('quantity', '_decimal_mark') }} as printed_quantity,
        {{ parse_decimal('unit_price', '_decimal_mark') }} as unit_price,
        {{ parse_decimal('amount', '_decimal_mark') }} as printed_amount,
        {{ cleaned_text('quantity') }} is not null
        and {{ cleaned_text('unit_price') }} is not null as has_quantity_and_price,
        coalesce(document_kind = 'credit_note' and credit_note_amounts = 'positive', false)
            as is_printed_positive
    from lines
),

-- By what is printed, not by what could be read: an unreadable price must not be replaced silently
-- by another column.
multiplied as (
    select
        *,
        case
            when has_quantity_and_price then {{ exact_product('printed_quantity', 'unit_price') }}
            else printed_amount
        end as printed_line_amount
    from parsed
),

final as (
    select
        line_id,
        load_id,
        file_name,
        file_row,
        document_number,
        document_kind,
        invoiced_on,
        customer_number,
        customer_name,
        email,
        product_code,
        product_name,
        case when is_printed_positive then -printed_quantity else printed_quantity end as quantity,
        unit_price,
        case when is_printed_positive then -printed_line_amount else printed_line_amount end
            as line_amount_net,
        currency
    from multiplied
)

select * from final
