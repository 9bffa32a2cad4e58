with

registrations as (
    select
        *,
        row_number() over (partition by trim(registration_id) order by _load_id desc, _row desc)
            as version_rank
    from {{ source('raw_product_registrations', 'registrations') }}
),

final as (
    select
        _load_id || ':' || _row as version_id,
        {{ cleaned_text('registration_id') }} as registration_id,
        {{ cleaned_text('customer_number') }} as customer_number,
        {{ cleaned_text('first_name') }} as first_name,
        {{ cleaned_text('last_name') }} as last_name,
        {{ cleaned_text('company') }} as company_name,
        lower({{ cleaned_text('email') }}) as email,
        {{ cleaned_text('product_code') }} as product_code,
        {{ cleaned_text('product_name') }} as product_name,
        {{ cleaned_text('serial_number') }} as serial_number,
        {{ parse_date('bought_on', '_date_order') }} as bought_on,
        {{ parse_timestamp('registered_at') }} as registered_at,
        coalesce(registered_at like '%:%', false) as has_registration_time,
        coalesce({{ parse_flag('newsletter_requested') }}, false) as has_requested_newsletter,
        {{ parse_timestamp('newsletter_confirmed_at') }} as newsletter_confirmed_at,
        coalesce(newsletter_confirmed_at like '%:%', false) as has_confirmation_time,
        version_rank = 1 as is_current,
        _pulled_at as pulled_at,
        _load_id as load_id,
        _file as file_name,
        _row as file_row
    from registrations
)

select * from final
