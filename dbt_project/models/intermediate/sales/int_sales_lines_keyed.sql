with

lines as (
    select * from {{ ref('int_invoice_lines_unioned') }}
),

keyed as (
    select
        *,
        {{ normalised_text('customer_number') }} as number_key,
        {{ normalised_text('email') }} as email_key,
        {{ normalised_text('customer_name') }} as name_key
    from lines
),

chosen as (
    select
        *,
        case
            when number_key is not null then 'customer_number'
            when email_key is not null then 'email'
            when name_key is not null then 'customer_name'
        end as customer_key_kind,
        coalesce(number_key, email_key, name_key) as customer_key
    from keyed
),

hashed as (
    select
        *,
        {{ short_hash("customer_key_kind || ':' || customer_key") }} as customer_key_hash,
        cast(extract(year from invoiced_on) as {{ dbt.type_string() }}) as year_text,
        cast(invoiced_on as {{ dbt.type_string() }}) as day_text
    from chosen
),

-- Number ranges restart every year: a number alone names several documents.
final as (
    select
        source,
        line_id,
        load_id,
        version,
        file_name,
        file_row,
        document_number,
        document_kind,
        coalesce(
            'number:' || document_number || ':' || year_text,
            'day:' || coalesce(customer_key_hash, '') || ':' || day_text
        ) as document_key,
        invoiced_on,
        customer_key_kind,
        customer_key_hash,
        customer_number,
        customer_name,
        email,
        product_code,
        product_name,
        quantity,
        unit_price,
        line_amount_net,
        document_currency
    from hashed
)

select * from final
